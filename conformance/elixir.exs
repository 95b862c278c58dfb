# Runs scenarios (JSON lines, see README.md) against Elixir's real DynamicSupervisor.
#
#   elixir conformance/elixir.exs SCENARIOS.jsonl > TRACES.jsonl
#
# Environment:
#   JOBS       how many scenarios run at once (default 8; they mostly sleep)
#   DS_SOURCE  path of another dynamic_supervisor.ex: it is compiled in place of the installed
#              module, so that other versions of Elixir's can be compared as well

defmodule Conformance.JSON do
  # A small JSON reader and writer: Elixir 1.14 / OTP 25 ship none.
  def decode!(bin) do
    {v, rest} = value(skip(bin))
    "" = skip(rest)
    v
  end

  defp skip(<<c, r::binary>>) when c in [?\s, ?\t, ?\n, ?\r], do: skip(r)
  defp skip(b), do: b

  defp value("true" <> r), do: {true, r}
  defp value("false" <> r), do: {false, r}
  defp value("null" <> r), do: {nil, r}
  defp value("\"" <> r), do: string(r, [])
  defp value("[" <> r), do: list(skip(r), [])
  defp value("{" <> r), do: object(skip(r), %{})

  defp value(b) do
    [n] = Regex.run(~r/\A-?[0-9]+(?:\.[0-9]+)?/, b)
    r = binary_part(b, byte_size(n), byte_size(b) - byte_size(n))
    {if(String.contains?(n, "."), do: String.to_float(n), else: String.to_integer(n)), r}
  end

  defp list("]" <> r, acc), do: {Enum.reverse(acc), r}

  defp list(b, acc) do
    {v, r} = value(b)

    case skip(r) do
      "," <> r -> list(skip(r), [v | acc])
      "]" <> r -> {Enum.reverse([v | acc]), r}
    end
  end

  defp object("}" <> r, acc), do: {acc, r}

  defp object("\"" <> b, acc) do
    {k, r} = string(b, [])
    ":" <> r = skip(r)
    {v, r} = value(skip(r))

    case skip(r) do
      "," <> r -> object(skip(r), Map.put(acc, k, v))
      "}" <> r -> {Map.put(acc, k, v), r}
    end
  end

  defp string("\"" <> r, acc), do: {IO.iodata_to_binary(Enum.reverse(acc)), r}
  defp string("\\n" <> r, acc), do: string(r, ["\n" | acc])
  defp string("\\t" <> r, acc), do: string(r, ["\t" | acc])

  defp string(<<"\\u", h::binary-size(4), r::binary>>, acc),
    do: string(r, [<<String.to_integer(h, 16)::utf8>> | acc])

  defp string(<<"\\", c, r::binary>>, acc), do: string(r, [<<c>> | acc])
  defp string(<<c, r::binary>>, acc), do: string(r, [<<c>> | acc])

  # Objects are given as keyword lists where the order of keys should be kept.
  def encode(nil), do: "null"
  def encode(b) when is_boolean(b), do: to_string(b)
  def encode(n) when is_number(n), do: to_string(n)
  def encode(a) when is_atom(a), do: encode(Atom.to_string(a))

  def encode(s) when is_binary(s) do
    s = for <<c <- s>>, into: "", do: esc(c)
    "\"" <> s <> "\""
  end

  def encode([{k, _} | _] = kw) when is_atom(k), do: obj(kw)
  def encode(l) when is_list(l), do: "[" <> Enum.map_join(l, ",", &encode/1) <> "]"
  def encode(m) when is_map(m), do: m |> Enum.sort() |> obj()

  defp obj(kv), do: "{" <> Enum.map_join(kv, ",", fn {k, v} -> encode(k) <> ":" <> encode(v) end) <> "}"
  defp esc(?"), do: "\\\""
  defp esc(?\\), do: "\\\\"
  defp esc(?\n), do: "\\n"
  defp esc(c), do: <<c>>
end

defmodule Conformance.Reason do
  # Exit reasons and errors as short tokens.
  def to_term("normal"), do: :normal
  def to_term("shutdown"), do: :shutdown
  def to_term("shutdown_x"), do: {:shutdown, :x}
  def to_term("boom"), do: :boom

  def token({:shutdown, :x}), do: "shutdown_x"
  def token({%RuntimeError{message: m}, stack}) when is_list(stack), do: "raise:" <> m
  def token({{:nocatch, v}, stack}) when is_list(stack), do: "throw:" <> token(v)
  def token({:function_clause, stack}) when is_list(stack), do: "function_clause"
  def token({tag, _value}) when is_atom(tag), do: Atom.to_string(tag)
  def token(a) when is_atom(a), do: Atom.to_string(a)
  def token(other), do: inspect(other)
end

defmodule Conformance.Child do
  # The start function. It runs inside the supervisor, so what it sends to the driver is in
  # order with the supervisor's reports.
  def start_link(c), do: run([], c)
  def start_link(x, c), do: run([x], c)
  def start_link(x, y, c), do: run([x, y], c)

  defp run(extra, c) do
    n = :counters.get(c.counter, 1) + 1
    :counters.put(c.counter, 1, n)
    outcome = Enum.at(c.starts, n - 1) || c.then
    send(c.driver, {:ev, {:start, c.label, n, outcome, extra}})

    case outcome do
      "ok" -> {:ok, spawn_child(c, n)}
      "ok_info" -> {:ok, spawn_child(c, n), :info}
      "ignore" -> :ignore
      "error" -> {:error, :found}
      "bad" -> :bad
      "raise" -> raise "oops"
      "throw" -> throw(:oops)
      "exit" -> exit(:oops)
    end
  end

  defp spawn_child(c, n) do
    sup = self()
    life = Enum.at(c.lives, n - 1) || c.then_life

    pid =
      spawn_link(fn ->
        if c.on_shutdown != "die", do: Process.flag(:trap_exit, true)
        send(sup, {:child_ready, self()})
        if life != "run", do: leave(life, sup)
        loop(c.on_shutdown, sup)
      end)

    receive do
      {:child_ready, ^pid} -> :ok
    end

    # Watched before the supervisor can do anything with it, so that no exit reason is missed.
    send(c.watcher, {:watch, self(), c.label, n, pid, life})

    receive do
      {:watched, ^pid} -> pid
    end
  end

  # An instance that is to end by itself does so once it is watched.
  defp leave(life, sup) do
    receive do
      :go -> exit(Conformance.Reason.to_term(life))
      {:EXIT, ^sup, reason} -> exit(reason)
    end
  end

  defp loop(how, sup) do
    receive do
      {:exit_now, reason} -> exit(reason)
      {:EXIT, ^sup, _} -> told(how, sup)
      _ -> loop(how, sup)
    end
  end

  defp told("ignore", sup), do: loop("ignore", sup)

  defp told("slow:" <> ms, _sup) do
    Process.sleep(String.to_integer(ms))
    exit(:shutdown)
  end

  defp told("exit:" <> reason, _sup), do: exit(Conformance.Reason.to_term(reason))
end

defmodule Conformance.Watcher do
  # Monitors the instances and tells the driver of their beginning and end.
  def loop(driver) do
    receive do
      {:watch, from, label, n, pid, life} ->
        Process.monitor(pid)
        # Signals of different senders have no order: the request to monitor may still be under way when the supervisor
        # ends the instance. Once the instance says who monitors it, that is settled.
        Process.info(pid, :monitored_by)
        send(driver, {:instance, label, n, pid, life})
        send(from, {:watched, pid})
        if life != "run", do: send(pid, :go)

      {:DOWN, _, :process, pid, reason} ->
        send(driver, {:gone, pid, reason})
    end

    loop(driver)
  end
end

defmodule Conformance.LogHandler do
  # Handlers run in the process that logs, so these messages are in order as well.
  def log(%{msg: {:report, report}, meta: %{pid: pid}}, _config) do
    case :ets.lookup(:conformance_supervisors, pid) do
      [{_, driver}] -> report(report, driver)
      [] -> :ok
    end
  end

  def log(_, _), do: :ok

  defp report(%{label: {:supervisor, kind}, report: r}, driver) do
    offender = r[:offender]
    send(driver, {:ev, {:report, kind, r[:reason], offender[:pid], offender[:restart_type]}})
  end

  defp report(%{label: {DynamicSupervisor, :unexpected_msg}}, driver),
    do: send(driver, {:ev, {:report, :unexpected_msg, nil, nil, nil}})

  defp report(%{label: {:gen_server, :terminate}, reason: reason}, driver),
    do: send(driver, {:ev, {:report, :sup_crash, reason, nil, nil}})

  defp report(_, _), do: :ok
end

defmodule Conformance.Driver do
  alias Conformance.Reason

  @settle_ms 10_000

  def run(scenario) do
    Process.flag(:trap_exit, true)
    sup_opts = scenario["sup"] || %{}
    me = self()

    opts =
      [
        strategy: :one_for_one,
        max_restarts: Map.get(sup_opts, "max_restarts", 3),
        max_seconds: Map.get(sup_opts, "max_seconds", 5),
        max_children: Map.get(sup_opts, "max_children") || :infinity,
        extra_arguments: Map.get(sup_opts, "extra", [])
      ]

    # The supervisor gets a parent of its own, so that a parent's exit can be tried too.
    parent = spawn(fn -> parent(me, opts) end)

    sup =
      receive do
        {:sup, ^parent, pid} -> pid
      end

    :ets.insert(:conformance_supervisors, {sup, me})

    st = %{
      watcher: spawn_link(fn -> Conformance.Watcher.loop(me) end),
      sup: sup,
      sup_mon: Process.monitor(sup),
      sup_down: nil,
      parent: parent,
      # label => {n, pid} of the newest instance that started
      newest: %{},
      first: %{},
      # pid => {label, n}
      names: %{},
      # instances not yet seen going down
      alive: MapSet.new(),
      # those of them that end by themselves
      leaving: MapSet.new(),
      events: [],
      exits: [],
      frozen: nil,
      queued: []
    }

    ops = Enum.with_index(scenario["ops"])

    {records, st} =
      Enum.map_reduce(ops, st, fn {op, i}, st ->
        {us, {reply, st}} = :timer.tc(fn -> step(op, i, st) end)
        record(i, op["op"], reply, us, st)
      end)

    {us, {reply, st}} = :timer.tc(fn -> step(%{"op" => "stop", "reason" => "shutdown"}, -1, st) end)
    {last, st} = record(length(ops), "final_stop", reply, us, st)
    send(st.parent, {:exit, :normal})
    Process.unlink(st.watcher)
    Process.exit(st.watcher, :kill)
    :ets.delete(:conformance_supervisors, sup)
    [id: scenario["id"], trace: records ++ [last]]
  end

  defp parent(driver, opts) do
    Process.flag(:trap_exit, true)
    {:ok, sup} = DynamicSupervisor.start_link(opts)
    send(driver, {:sup, self(), sup})

    receive do
      {:exit, reason} -> exit(reason)
    end
  end

  ## One operation. Answers {reply, state}, after everything it caused has come to rest.

  defp step(%{"op" => "freeze"}, _i, %{sup_down: nil, frozen: nil} = st) do
    :ok = :sys.suspend(st.sup)
    {"ok", %{st | frozen: queue_len(st.sup), queued: []}}
  end

  defp step(%{"op" => "thaw"}, _i, %{frozen: f} = st) when f != nil do
    :ok = :sys.resume(st.sup)

    replies =
      for {i, tag} <- Enum.reverse(st.queued) do
        receive do
          {:client, ^tag, r} -> {i, r}
        end
      end

    st = settle(%{st | frozen: nil, queued: []})
    {for({i, r} <- replies, do: [i: i, reply: name_reply(r, st)]), st}
  end

  defp step(%{"op" => op}, _i, st) when op in ["freeze", "thaw"], do: {"skipped", st}

  defp step(%{"op" => "sleep", "ms" => ms}, _i, st) do
    Process.sleep(ms)
    {"ok", settle(st)}
  end

  defp step(%{"op" => "exit", "child" => label, "reason" => reason}, _i, st) do
    case Map.get(st.newest, label) do
      {_n, pid} ->
        if alive?(st, pid) do
          if reason == "kill",
            do: Process.exit(pid, :kill),
            else: send(pid, {:exit_now, Reason.to_term(reason)})

          st = wait_down(st, pid)
          {"ok", if(st.frozen, do: wait_queued(st), else: settle(st))}
        else
          {"not_running", st}
        end

      nil ->
        {"not_running", st}
    end
  end

  defp step(%{"op" => "parent_exit", "reason" => reason}, _i, %{frozen: nil} = st) do
    send(st.parent, {:exit, Reason.to_term(reason)})
    {"ok", settle(if(st.sup_down, do: st, else: wait_sup_down(st)))}
  end

  defp step(%{"op" => "parent_exit"}, _i, st), do: {"skipped", st}

  defp step(%{"op" => "stray"}, _i, %{frozen: nil} = st) do
    send(st.sup, :stray)
    {"ok", settle(st)}
  end

  defp step(%{"op" => "stray"}, _i, st) do
    send(st.sup, :stray)
    {"ok", wait_queued(st)}
  end

  # Refused before the supervisor is asked, so it answers at once even when that is frozen.
  defp step(%{"op" => "start_invalid", "kind" => kind}, _i, st) do
    ok = {Conformance.Child, :start_link, [:unused]}

    spec =
      case kind do
        "spec" -> %{id: 1}
        "mfa" -> %{id: 1, start: {Conformance.Child, :start_link, :not_a_list}}
        "restart" -> %{id: 1, start: ok, restart: :sometimes}
        "shutdown" -> %{id: 1, start: ok, shutdown: -1}
        "type" -> {1, ok, :permanent, 5000, :boss, [Conformance.Child]}
        "modules" -> %{id: 1, start: ok, modules: :some}
      end

    {name_reply(guarded(fn -> DynamicSupervisor.start_child(st.sup, spec) end), st), settle(st)}
  end

  defp step(%{"op" => "stop"} = op, i, %{frozen: f} = st) when f != nil do
    # a scenario that ends frozen
    {_, st} = step(%{"op" => "thaw"}, i, st)
    step(op, i, st)
  end

  defp step(op, i, st) do
    sup = st.sup
    call = call(op, st)

    if st.frozen do
      me = self()
      tag = make_ref()
      spawn(fn -> send(me, {:client, tag, guarded(fn -> call.(sup) end)}) end)
      {"queued", wait_queued(%{st | queued: [{i, tag} | st.queued]})}
    else
      reply = guarded(fn -> call.(sup) end)
      st = settle(st)
      {name_reply(reply, st), st}
    end
  end

  ## The calls

  defp call(%{"op" => "start"} = op, st) do
    shutdown =
      case op["shutdown"] do
        "brutal_kill" -> :brutal_kill
        "infinity" -> :infinity
        ms when is_integer(ms) -> ms
        nil -> nil
      end

    arg = %{
      driver: self(),
      watcher: st.watcher,
      label: op["child"],
      counter: :counters.new(1, []),
      starts: op["starts"] || [],
      then: op["then"] || "ok",
      lives: op["lives"] || [],
      then_life: op["then_life"] || "run",
      on_shutdown: op["on_shutdown"] || "die"
    }

    spec =
      %{id: op["child"], start: {Conformance.Child, :start_link, [arg]}}
      |> put(:restart, op["restart"] && String.to_atom(op["restart"]))
      |> put(:type, op["type"] && String.to_atom(op["type"]))
      |> put(:shutdown, shutdown)

    fn sup -> DynamicSupervisor.start_child(sup, spec) end
  end

  defp call(%{"op" => "terminate"} = op, st) do
    pid =
      case op["handle"] || "current" do
        "current" -> with {_, pid} <- st.newest[op["child"]], do: pid
        "first" -> with {_, pid} <- st.first[op["child"]], do: pid
        "stranger" -> st.parent
      end

    # a label that never had an instance: a process which is nobody's child
    pid = pid || st.parent
    fn sup -> DynamicSupervisor.terminate_child(sup, pid) end
  end

  defp call(%{"op" => "count"}, _st), do: &{:counts, DynamicSupervisor.count_children(&1)}
  defp call(%{"op" => "which"}, _st), do: &{:which, DynamicSupervisor.which_children(&1)}

  defp call(%{"op" => "stop", "reason" => reason}, _st),
    do: fn sup -> DynamicSupervisor.stop(sup, Reason.to_term(reason)) end

  defp put(map, _k, nil), do: map
  defp put(map, k, v), do: Map.put(map, k, v)

  defp guarded(f) do
    f.()
  catch
    :exit, {reason, {GenServer, _, _}} -> {:exited, reason}
    :exit, reason -> {:exited, reason}
  end

  defp name_reply(reply, st) do
    case reply do
      {:ok, _pid} -> "ok"
      {:ok, _pid, :info} -> "ok_info"
      :ok -> "ok"
      :ignore -> "ignore"
      {:error, reason} -> "error:" <> Reason.token(reason)
      {:exited, reason} -> "exit:" <> Reason.token(reason)
      {:counts, c} -> counts(c)
      {:which, w} -> which(w, st)
    end
  end

  defp counts(c), do: [specs: c.specs, active: c.active, supervisors: c.supervisors, workers: c.workers]

  defp which(list, st) do
    list
    |> Enum.map(fn
      {:undefined, :restarting, type, _} -> ["restarting", Atom.to_string(type)]
      {:undefined, pid, type, _} -> [name(st, pid), Atom.to_string(type)]
    end)
    |> Enum.sort()
  end

  ## Coming to rest

  # Everything that happened has been reported, nothing is under way any more.
  defp settle(%{frozen: f} = st) when f != nil, do: drain(st)
  defp settle(st), do: settle(st, now() + @settle_ms, 0)

  defp settle(st, deadline, calm) do
    st = drain(st)

    cond do
      now() > deadline ->
        %{st | events: [{:stuck, nil} | st.events]}

      st.sup_down != nil ->
        # all instances go down with the supervisor
        if MapSet.size(st.alive) == 0, do: st, else: again(st, deadline, 0)

      not at_rest?(st) ->
        again(st, deadline, 0)

      calm < 2 ->
        again(st, deadline, calm + 1)

      true ->
        st
    end
  end

  defp again(st, deadline, calm) do
    Process.sleep(1)
    settle(st, deadline, calm)
  end

  defp at_rest?(st) do
    with true <- MapSet.size(st.leaving) == 0,
         {:ok, state} <- peek(st.sup) do
      Enum.all?(state.children, fn {pid, child} ->
        not match?({:restarting, _}, child) and Process.alive?(pid)
      end) and queue_len(st.sup) == 0
    else
      _ -> false
    end
  end

  defp peek(sup) do
    {:ok, :sys.get_state(sup, 5000)}
  catch
    :exit, _ -> :gone
  end

  defp queue_len(sup) do
    case Process.info(sup, :message_queue_len) do
      {_, n} -> n
      nil -> 0
    end
  end

  defp wait_queued(st) do
    want = st.frozen + 1
    wait_until(fn -> queue_len(st.sup) >= want end)
    %{drain(st) | frozen: want}
  end

  defp wait_until(f, tries \\ 2000) do
    cond do
      f.() -> :ok
      tries == 0 -> exit(:never_queued)
      true -> Process.sleep(1) && wait_until(f, tries - 1)
    end
  end

  defp wait_down(st, pid) do
    st = drain(st)
    if alive?(st, pid), do: Process.sleep(1) && wait_down(st, pid), else: st
  end

  defp wait_sup_down(st) do
    st = drain(st)
    if st.sup_down, do: st, else: Process.sleep(1) && wait_sup_down(st)
  end

  defp alive?(st, pid), do: MapSet.member?(st.alive, pid)

  # Takes in what has arrived.
  defp drain(st) do
    sup_mon = st.sup_mon

    receive do
      {:ev, ev} ->
        drain(%{st | events: [ev | st.events]})

      {:instance, label, n, pid, life} ->
        drain(%{
          st
          | newest: Map.put(st.newest, label, {n, pid}),
            first: Map.put_new(st.first, label, {n, pid}),
            names: Map.put(st.names, pid, {label, n}),
            alive: MapSet.put(st.alive, pid),
            leaving: if(life == "run", do: st.leaving, else: MapSet.put(st.leaving, pid))
        })

      {:gone, pid, reason} ->
        drain(%{
          st
          | alive: MapSet.delete(st.alive, pid),
            leaving: MapSet.delete(st.leaving, pid),
            exits: [{pid, reason} | st.exits]
        })

      {:DOWN, ^sup_mon, :process, _, reason} ->
        drain(%{st | sup_down: {reason}})
    after
      0 -> st
    end
  end

  ## Records

  defp record(i, op, reply, us, st) do
    {children, counts} =
      if st.sup_down == nil and st.frozen == nil do
        {guarded(fn -> which(DynamicSupervisor.which_children(st.sup), st) end),
         guarded(fn -> counts(DynamicSupervisor.count_children(st.sup)) end)}
      else
        {nil, nil}
      end

    sup =
      case st do
        %{sup_down: {reason}} -> "down:" <> Reason.token(reason)
        %{frozen: f} when f != nil -> "frozen"
        _ -> "up"
      end

    rec = [
      i: i,
      op: op,
      reply: reply,
      events: st.events |> Enum.reverse() |> Enum.map(&event(&1, st)) |> sort_runs(),
      exits: st.exits |> Enum.map(fn {pid, r} -> [name(st, pid), Reason.token(r)] end) |> Enum.sort(),
      sup: sup,
      children: children,
      counts: counts,
      info: [ms: div(us, 1000)]
    ]

    {rec, %{st | events: [], exits: []}}
  end

  defp event({:start, label, n, outcome, []}, _), do: ["start", "#{label}##{n}", outcome]
  defp event({:start, label, n, outcome, extra}, _), do: ["start", "#{label}##{n}", outcome, extra]
  defp event({:stuck, _}, _), do: ["stuck"]

  defp event({:report, kind, reason, pid, restart}, st) do
    ["report", Atom.to_string(kind)] ++
      if(reason == nil, do: [], else: [Reason.token(reason)]) ++
      case pid do
        nil -> []
        {:restarting, pid} -> ["restarting:" <> name(st, pid), Atom.to_string(restart)]
        pid -> [name(st, pid), Atom.to_string(restart)]
      end
  end

  # Neighbouring shutdown_error reports come in no meaningful order.
  defp sort_runs(events) do
    events
    |> Enum.chunk_by(&match?(["report", "shutdown_error" | _], &1))
    |> Enum.flat_map(fn
      [["report", "shutdown_error" | _] | _] = run -> Enum.sort(run)
      run -> run
    end)
  end

  defp name(st, pid) do
    case st.names do
      %{^pid => {label, n}} -> "#{label}##{n}"
      _ -> "?"
    end
  end

  defp now, do: System.monotonic_time(:millisecond)
end

case System.get_env("DS_SOURCE") do
  nil ->
    :ok

  path ->
    Code.compiler_options(ignore_module_conflict: true)
    :code.unstick_dir(:code.lib_dir(:elixir) ++ ~c"/ebin")
    Code.compile_file(path)
    IO.puts(:stderr, "DynamicSupervisor compiled from #{path}")
end

:ets.new(:conformance_supervisors, [:named_table, :public, :set])
_ = :logger.remove_handler(:default)
_ = :logger.remove_handler(Logger)
:ok = :logger.add_handler(:conformance, Conformance.LogHandler, %{level: :error, config: %{}})

jobs = String.to_integer(System.get_env("JOBS", "8"))

[file] = System.argv()

file
|> File.stream!()
|> Stream.map(&String.trim/1)
|> Stream.reject(&(&1 == ""))
|> Stream.map(&Conformance.JSON.decode!/1)
|> Task.async_stream(
  fn scenario ->
    try do
      Conformance.Driver.run(scenario)
    catch
      kind, reason ->
        [id: scenario["id"], error: inspect({kind, reason, __STACKTRACE__}, limit: 30)]
    end
  end,
  max_concurrency: jobs,
  timeout: 60_000,
  ordered: true,
  on_timeout: :kill_task
)
|> Enum.each(fn
  {:ok, trace} -> IO.puts(Conformance.JSON.encode(trace))
  {:exit, reason} -> IO.puts(Conformance.JSON.encode(id: nil, error: inspect(reason)))
end)
