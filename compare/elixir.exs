# Elixir's own DynamicSupervisor, for the same work as src/measure.rs: elixir elixir.exs FLAVOUR FIGURE CHILDREN
#
# The flavour is what the line printed says of it; how many schedulers there are is the caller's to say. All of it is in
# modules: what stands outside of them would be interpreted.

defmodule Worker do
  use GenServer

  def start_link({number, options}), do: GenServer.start_link(__MODULE__, number, options)

  @impl true
  def init(number), do: {:ok, number}

  @impl true
  def handle_call(:get, _from, number), do: {:reply, number, number}

  @impl true
  def handle_cast(:crash, _number), do: raise("boom")
end

defmodule Measure do
  @rounds 5
  @many_rounds 11

  # As in src/measure.rs: few in a round, and a pause longer than the period, keep the list of recent restarts short.
  @crashes 200
  @crashes_before 100
  @period 1

  # To stop takes the longer for each the more there are.
  @stopped_of_all 10

  # Each start waits for the one before.
  def figure("start", children) do
    rounds(@rounds, children, fn ->
      supervisor = supervisor()
      took = time(fn -> start_all(supervisor, 1..children) end)
      kill(supervisor)
      took
    end)
  end

  # Idle children that have answered a request each.
  def figure("bytes", children) do
    supervisor = supervisor()
    request(start(supervisor, 0))
    before = memory()
    Enum.each(1..children, fn number -> request(start(supervisor, number)) end)
    {(memory() - before) / children, children}
  end

  # One child is asked; each request waits for the answer of the one before.
  def figure("request", children) do
    child = start(supervisor(), 42)
    rounds(@many_rounds, children, fn -> time(fn -> ask(child, children) end) end)
  end

  # One child crashes again and again, among all the others.
  def figure("crash", children) do
    supervisor = supervisor()
    half = div(children, 2)
    start_all(supervisor, 1..half)
    start(supervisor, 0, name: :crasher)
    start_all(supervisor, (half + 2)..children)

    rounds(@many_rounds, @crashes, fn ->
      Process.sleep(@period * 1000 + 100)
      crash(@crashes_before)
      time(fn -> crash(@crashes) end)
    end)
  end

  # Every tenth child, one after the other.
  def figure("terminate", children) do
    rounds(@rounds, div(children, 10), fn ->
      supervisor = supervisor()
      chosen = supervisor |> start_all(1..children) |> Enum.take_every(10) |> Enum.take(div(children, 10))
      took = time(fn -> Enum.each(chosen, &(:ok = DynamicSupervisor.terminate_child(supervisor, &1))) end)
      kill(supervisor)
      took
    end)
  end

  # All children at once.
  def figure("stop", children) do
    stopped = div(children, @stopped_of_all)

    rounds(@rounds, stopped, fn ->
      supervisor = supervisor()
      start_all(supervisor, 1..stopped)
      time(fn -> :ok = DynamicSupervisor.stop(supervisor) end)
    end)
  end

  defp supervisor do
    {:ok, supervisor} =
      DynamicSupervisor.start_link(strategy: :one_for_one, max_restarts: 100_000_000, max_seconds: @period)

    Process.unlink(supervisor)
    supervisor
  end

  defp start_all(supervisor, numbers), do: for(number <- numbers, do: start(supervisor, number))

  defp start(supervisor, number, options \\ []) do
    {:ok, child} = DynamicSupervisor.start_child(supervisor, {Worker, {number, options}})
    child
  end

  defp request(child), do: GenServer.call(child, :get)

  defp ask(_child, 0), do: :ok

  defp ask(child, times) do
    42 = request(child)
    ask(child, times - 1)
  end

  # The identifier does not survive a crash: the next incarnation is found by its name.
  defp crash(0), do: :ok

  defp crash(times) do
    child = Process.whereis(:crasher)
    GenServer.cast(child, :crash)
    answered_after(child)
    crash(times - 1)
  end

  defp answered_after(crashed) do
    case Process.whereis(:crasher) do
      next when is_pid(next) and next != crashed ->
        0 = request(next)

      _ ->
        :erlang.yield()
        answered_after(crashed)
    end
  end

  # Not measured: its children die with it, at once.
  defp kill(supervisor) do
    monitor = Process.monitor(supervisor)
    children = DynamicSupervisor.which_children(supervisor)
    Process.exit(supervisor, :kill)

    receive do
      {:DOWN, ^monitor, _, _, _} -> :ok
    end

    Enum.each(children, fn {_, child, _, _} -> gone(child) end)
  end

  defp gone(child) do
    if Process.alive?(child) do
      :erlang.yield()
      gone(child)
    end
  end

  defp memory do
    :erlang.garbage_collect()
    :erlang.memory(:total)
  end

  defp time(work) do
    begun = System.monotonic_time(:nanosecond)
    work.()
    System.monotonic_time(:nanosecond) - begun
  end

  # A round to warm up, then those that count, each in a process of its own with a heap of its own.
  defp rounds(count, repetitions, round) do
    [_ | took] = for _ <- 0..count, do: round |> Task.async() |> Task.await(:infinity)
    {Enum.at(Enum.sort(took), div(count, 2)) / repetitions, repetitions}
  end
end

# Crashes are part of the work: they are not printed.
Logger.configure(level: :none)

case System.argv() do
  ["version"] ->
    IO.puts("Elixir #{System.version()}, OTP #{System.otp_release()}")

  [flavour, figure, children] ->
    {each, of} = Measure.figure(figure, String.to_integer(children))
    IO.puts(Enum.join(["elixir", flavour, figure, Float.to_string(each / 1), of], "\t"))
end
