// The page of the dashboard. What it shows comes from `api/events` (a summary each second, and each event as it happens) and
// from `api/children`, which is asked for the rows on the screen alone.
//
// Names, keys and messages are whatever somebody typed somewhere. They become text nodes and attributes' values, never markup.

const $ = (id) => document.getElementById(id);
const PAGE = 50, MOST_ROWS = 500, LOG_LINES = 200, MOST_SIBLINGS = 200;
const STATES = ['running', 'restarting', 'starting', 'stopping'];

/** What the server told last. */
const told = { tree: null, at: 0, actions: false, silent: null, live: false, gone: false, everyMs: 1000 };
/** Every supervisor of the tree by its id: `{id, name, path, level, parent, child, snapshot | silent}`. */
let supervisors = new Map();
/** What the viewer has chosen. `supervisor: null` is the whole tree. */
const view = { supervisor: null, child: null, q: '', state: '', module: '', order: 'worst', rows: PAGE, after: null };
const list = { children: [], matched: 0, next: null, silent: [], at: 0, error: null, loaded: false };
const detail = { child: null, at: 0, error: null };
const expanded = new Map();
const log = { lines: [], paused: false };
const history = { started: [], exited: [], restarted: [] };

// ---------------------------------------------------------------- making and keeping nodes

const SVG = 'http://www.w3.org/2000/svg';

function el(tag, attributes = {}, ...content) {
  return fill(document.createElement(tag), attributes, content);
}

function svg(tag, attributes = {}, ...content) {
  return fill(document.createElementNS(SVG, tag), attributes, content);
}

function fill(node, attributes, content) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith('on')) node.addEventListener(name.slice(2), value);
    else if (value !== null && value !== undefined && value !== false) node.setAttribute(name, value === true ? '' : value);
  }
  node.append(...content.filter((item) => item !== null && item !== undefined));
  return node;
}

const icon = (name, kind = '') => svg('svg', { class: `icon ${kind}`, 'aria-hidden': 'true' }, svg('use', { href: `#s-${name}` }));

/** Changes only what differs: most of a page stays as it is from one second to the next. */
function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

function setAttribute(node, name, value) {
  if (value === null) node.removeAttribute(name);
  else if (node.getAttribute(name) !== String(value)) node.setAttribute(name, value);
}

/** Makes `parent` hold one node for each item, and keeps the nodes, and the focus, of those it held before. */
function keyed(parent, items, keyOf, make, update) {
  const before = parent.nodesByKey ?? new Map(), now = new Map(), focused = document.activeElement;
  let place = parent.firstChild;
  for (const item of items) {
    const key = keyOf(item);
    let node = before.get(key);
    if (!node) node = make(item);
    now.set(key, node);
    update(node, item);
    if (node === place) place = place.nextSibling;
    else parent.insertBefore(node, place);
  }
  for (const [key, node] of before) {
    if (now.get(key) === node) continue;
    // Who stood on a row that goes stands on its neighbour.
    if (node.contains(focused)) (node.nextElementSibling ?? node.previousElementSibling)?.focus({ preventScroll: true });
    node.remove();
  }
  if (focused !== document.activeElement && focused.isConnected && parent.contains(focused)) focused.focus({ preventScroll: true });
  parent.nodesByKey = now;
}

// ---------------------------------------------------------------- drawing, once per frame

const toDraw = new Set();

function draw(...parts) {
  if (toDraw.size === 0) requestAnimationFrame(() => {
    const parts = [...toDraw];
    toDraw.clear();
    for (const part of parts) part();
  });
  for (const part of parts) toDraw.add(part);
}

// ---------------------------------------------------------------- words

const count = (number, one, many = `${one}s`) => `${number.toLocaleString('en')} ${number === 1 ? one : many}`;

/** A duration as people say it, never more than two units. */
function duration(ms) {
  const seconds = Math.max(0, ms) / 1000;
  if (seconds < 1) return `${Math.round(ms)} ms`;
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 60) return `${Math.floor(seconds)} s`;
  const units = [[86400, 'd'], [3600, 'h'], [60, 'min'], [1, 's']];
  const first = units.findIndex(([size]) => seconds >= size), [size, name] = units[first], [small, smallName] = units[first + 1];
  const rest = Math.floor((seconds % size) / small);
  return `${Math.floor(seconds / size)} ${name}${rest ? ` ${rest} ${smallName}` : ''}`;
}

const coarse = (ms) => (ms < 10000 ? `${Math.floor(Math.max(0, ms) / 1000)} s` : duration(ms).split(' ').slice(0, 2).join(' '));
const shortType = (module) => module.replace(/\b\w+::/g, '');
const clock = (time) => new Date(time).toTimeString().slice(0, 8) + '.' + String(new Date(time).getMilliseconds()).padStart(3, '0');

/** What a child is called: its key, else the id its spec gave, else its own id. */
const nameOf = (child) => child.key ?? child.label ?? child.id;
/** What it does, in one word. */
const stateOf = (child) => (child.parked ? 'parked' : child.state);
/** What stands below its name. */
const alsoCalled = (child) => [child.key !== null && child.key !== child.label ? child.label : null, nameOf(child) === child.id ? null : child.id].filter(Boolean).join(' · ');
const supervisorOf = (childId) => childId.split('.')[0];

/** The text of a reason without its place and its message, which are told apart. */
function reasonText({ text, location, handling }) {
  for (const end of [handling && `, handling ${handling}`, location && `, ${location}`]) if (end && text.endsWith(end)) text = text.slice(0, -end.length);
  return text;
}

/** The sign and the colour of a reason; its text always stands beside them. */
function reasonLook(reason) {
  switch (reason.kind) {
    case 'panicked': return ['cross', 'bad'];
    case 'failed': return ['failed', 'fail'];
    case 'killed': return ['killed', 'muted'];
    case 'arbiter_gone': case 'unresponsive': return ['silent', 'warn'];
    default: return reason.abnormal ? ['cross', 'bad'] : ['end', 'muted'];
  }
}

/** `half` from a half on, `most` from four fifths on. */
const budgetLook = (limit) => (limit.max_restarts === 0 ? (limit.used > 0 ? 'most' : '') : limit.used >= 0.8 * limit.max_restarts ? 'most' : limit.used >= 0.5 * limit.max_restarts ? 'half' : '');

function budgetBar(wide) {
  return svg('svg', { class: wide ? 'budget wide' : 'budget', viewBox: '0 0 100 20', preserveAspectRatio: 'none', 'aria-hidden': 'true' },
    svg('rect', { width: 100, height: 20 }), svg('rect', { class: 'fill', height: 20, width: 0 }));
}

function setBudget(bar, limit) {
  const share = limit.max_restarts === 0 ? (limit.used > 0 ? 100 : 0) : Math.min(100, (100 * limit.used) / limit.max_restarts);
  setAttribute(bar.lastChild, 'width', share);
}

const budgetText = (limit) => `${limit.used} of ${count(limit.max_restarts, 'restart')} used in ${duration(limit.period_ms)}`;

// ---------------------------------------------------------------- asking, one question at a time for each view

/** Carries out the newest wish; never more than one at a time, and `pauseMs` after the one before unless it is `now`. */
function asker(ask, pauseMs) {
  let busy = false, wanted = null, timer = null, last = -Infinity;
  const run = async () => {
    clearTimeout(timer);
    timer = null;
    if (busy) return void (wanted = 'now');
    busy = true;
    wanted = null;
    await ask();
    busy = false;
    last = performance.now();
    if (wanted === 'now') run();
    else if (wanted) later();
  };
  const later = () => {
    if (busy) wanted ??= 'later';
    else timer ??= setTimeout(run, Math.max(0, last + pauseMs - performance.now()));
  };
  return { now: run, later };
}

async function fetchJson(path, options = {}) {
  const answer = await fetch(path, { ...options, cache: 'no-store', signal: AbortSignal.timeout(10000) });
  const body = await answer.json().catch(() => null);
  if (answer.ok && body) return body;
  throw Object.assign(new Error(body?.error ?? `the server answered ${answer.status}`), { status: answer.status });
}

function childrenPath() {
  const query = new URLSearchParams({ order: view.order, limit: view.rows });
  for (const name of ['supervisor', 'q', 'state', 'module', 'after']) if (view[name]) query.set(name, view[name]);
  return `api/children?${query}`;
}

const askList = asker(async () => {
  const path = childrenPath();
  try {
    const answer = await fetchJson(path);
    if (path !== childrenPath()) return askList.now(); // chosen anew meanwhile
    Object.assign(list, { children: answer.children, matched: answer.matched, next: answer.next, silent: answer.silent ?? [], at: performance.now(), error: null, loaded: true });
  } catch (error) {
    if (path !== childrenPath()) return askList.now();
    list.error = error.message;
  }
  draw(drawList);
}, 500);

const askDetail = asker(async () => {
  const id = view.child;
  if (!id) return;
  try {
    const answer = await fetchJson(`api/children/${encodeURIComponent(id)}`);
    if (id !== view.child) return askDetail.now();
    Object.assign(detail, { child: answer.child, at: performance.now(), error: null });
  } catch (error) {
    if (id !== view.child) return askDetail.now();
    detail.error = error.status === 404 ? 'It has ended and is gone.' : error.message;
  }
  draw(drawDetail);
}, 500);

// ---------------------------------------------------------------- listening

let source = null, heardAt = 0, retry = null;

function connect() {
  source?.close();
  clearTimeout(retry);
  heardAt = performance.now();
  source = new EventSource('api/events');
  source.addEventListener('hello', (message) => {
    const hello = JSON.parse(message.data);
    Object.assign(told, { actions: hello.actions, live: true, gone: false });
    // Who comes back has heard of most of them.
    if (log.lines.length === 0) hello.recent?.forEach(takeEvent);
    drawAll();
    askList.now();
    askDetail.now();
  });
  source.addEventListener('tick', (message) => {
    heardAt = performance.now();
    takeTick(JSON.parse(message.data));
  });
  source.addEventListener('gone', () => {
    Object.assign(told, { live: false, gone: true });
    source.close();
    retry = setTimeout(connect, 5000);
    drawAll();
  });
  source.onmessage = (message) => takeEvent(JSON.parse(message.data));
  source.onerror = lost;
}

/** The browser tries again by itself, unless the server refused. */
function lost() {
  told.live = false;
  if (source.readyState === EventSource.CLOSED && !told.gone) {
    clearTimeout(retry);
    retry = setTimeout(connect, 3000);
  }
  draw(drawHeader);
}

setInterval(() => {
  if (told.live && performance.now() - heardAt > 5000 + 2 * told.everyMs) {
    told.live = false;
    connect();
  }
  draw(drawHeader, drawAges);
}, 1000);

let ticks = 0;

function takeTick(tick) {
  Object.assign(told, { live: true, silent: tick.silent, everyMs: tick.every_ms });
  if (tick.tree) {
    Object.assign(told, { tree: tick.tree, at: performance.now() });
    supervisors = new Map();
    indexTree(tick.tree, 1, null, null, null);
    follow();
  }
  for (const kind of Object.keys(history)) {
    history[kind].push((1000 * tick.happened[kind]) / Math.max(1, tick.over_ms));
    if (history[kind].length > 60) history[kind].shift();
  }
  if (tick.left_out) addToLog({ event: 'left out', supervisor: null, text: `${count(tick.left_out, 'event')} are not shown`, at: Date.now() });
  // Events say when rows change; what has none (counts of messages, new siblings) is looked at now and then.
  ticks += 1;
  if (ticks % 5 === 0) askList.later();
  if (ticks % 2 === 0) askDetail.later();
  draw(drawHeader, drawTiles, drawTree, drawModules);
  if (!view.child) draw(drawDetail);
}

/** A nested supervisor that was restarted has a new id; as a child of its parent it has the same as before. */
function follow() {
  const chosen = supervisors.get(view.supervisor);
  if (chosen) view.supervisorAsChild = chosen.child;
  else if (view.supervisor && view.supervisorAsChild) {
    const again = [...supervisors.values()].find((one) => one.child === view.supervisorAsChild && one.snapshot);
    if (again) reset({ supervisor: again.id });
  }
}

function indexTree(snapshot, level, parent, child, calledAbove) {
  const { id } = snapshot;
  // What its parent calls it, unless that has no name for it but its type.
  const name = calledAbove && !calledAbove.includes('::') ? calledAbove : snapshot.name;
  const path = parent ? `${supervisors.get(parent).path}/${name}` : name;
  supervisors.set(id, { id, name, path, level, parent, child, snapshot });
  for (const nested of snapshot.nested) {
    const { child, name: called } = nested, key = `child ${child}`;
    const silent = nested.silent ?? 'not asked', word = silent === 'not asked' ? silent : silent === 'not running' ? nested.state : 'silent';
    if (nested.snapshot) indexTree(nested.snapshot, level + 1, id, child, called);
    else supervisors.set(key, { id: key, name: called, path: `${path}/${called}`, level: level + 1, parent: id, child, silent, word });
  }
}

function takeEvent(event) {
  event.at = Date.now() - (event.age_ms ?? 0);
  // The line begins with where it happened; here by the names that the tree shows.
  const prefix = `${event.path}: `;
  if (event.text.startsWith(prefix)) event.text = `${supervisors.get(event.supervisor)?.path ?? event.path}: ${event.text.slice(prefix.length)}`;
  addToLog(event);
  if (!view.supervisor || event.supervisor === view.supervisor || !event.supervisor) askList.later();
  if (view.child && (!event.child || event.child.id === view.child)) askDetail.later();
}

function addToLog(event) {
  log.lines.push(event);
  if (log.lines.length > 2 * LOG_LINES) log.lines.splice(0, LOG_LINES);
  if (!log.paused) draw(drawLog);
}

// ---------------------------------------------------------------- above: connection, counts, rates

let said = '', saidAt = -Infinity;

function drawHeader() {
  const state = told.live ? 'live' : told.gone ? 'lost' : told.at ? 'lost' : 'connecting';
  setText($('connection'), told.live ? 'live' : told.gone ? 'stopped' : told.at ? 'disconnected' : 'connecting');
  setAttribute($('connection'), 'data-state', state);
  document.body.classList.toggle('stale', Boolean(told.at) && (!told.live || Boolean(told.silent)));
  const age = told.at ? ` What you see is ${coarse(performance.now() - told.at)} old.` : '';
  const banner = told.gone ? `The supervisor has stopped; asking again every 5 seconds.${told.at ? ' What you see is from before.' : ''}`
    : !told.live && told.at ? `Disconnected, trying again.${age}`
      : told.silent ? `The supervisor does not answer: ${told.silent}.${age}` : '';
  $('banner').hidden = !banner;
  // The age changes each second; said aloud is only the first sentence of it.
  setAttribute($('banner'), 'role', $('banner').textContent.split('.')[0] === banner.split('.')[0] ? 'none' : 'alert');
  setText($('banner'), banner);
  setAttribute($('banner'), 'data-kind', told.gone ? 'bad' : 'warn');
  if (told.tree) setText($('root-name'), told.tree.name);
  const down = sumStates().down, silent = [...supervisors.values()].filter((one) => one.word === 'silent').length;
  const status = told.at ? [down ? `${count(down, 'child', 'children')} not running` : 'all children running', silent ? `${count(silent, 'branch', 'branches')} silent` : ''].filter(Boolean).join(', ') : '';
  setText($('status'), status);
  // A screen reader reads every change of the other one: not more than one in ten seconds.
  if (status !== said && performance.now() - saidAt > 10000) {
    [said, saidAt] = [status, performance.now()];
    setText($('said'), status);
  }
}

function sumStates() {
  const sum = { children: 0, supervisors: 0, down: 0, running: 0, restarting: 0, starting: 0, stopping: 0 };
  for (const { snapshot } of supervisors.values()) {
    if (!snapshot) continue;
    sum.supervisors += 1;
    for (const { state, children } of snapshot.sums) {
      sum.children += children;
      sum[state] += children;
      if (state !== 'running') sum.down += children;
    }
  }
  return sum;
}

function drawTiles() {
  const sum = sumStates(), last = (kind) => history[kind].at(-1) ?? 0;
  const tiles = [
    ['Supervisors', sum.supervisors], ['Children', sum.children],
    ...STATES.map((state) => [state[0].toUpperCase() + state.slice(1), sum[state], state]),
    ['Starts/s', last('started'), null, 'started'], ['Exits/s', last('exited'), null, 'exited'], ['Restarts/s', last('restarted'), null, 'restarted'],
  ];
  keyed($('tiles'), tiles, ([title]) => title, ([title, , state, kind]) => el('div', {}, el('dt', {}, title),
    el('dd', {}, state ? icon(state, state) : null, el('span')),
    kind ? svg('svg', { class: 'spark', viewBox: '0 0 59 20', preserveAspectRatio: 'none', 'aria-hidden': 'true' }, svg('path')) : null),
  (node, [, value, , kind]) => {
    setText(node.querySelector('span'), value.toLocaleString('en', { maximumFractionDigits: value < 10 ? 1 : 0 }));
    if (kind) setAttribute(node.querySelector('path'), 'd', spark(history[kind]));
  });
}

function spark(values) {
  const most = Math.max(1, ...values), first = 60 - values.length;
  return values.map((value, place) => `${place ? 'L' : 'M'}${first + place} ${(19 - (18 * value) / most).toFixed(1)}`).join('');
}

// ---------------------------------------------------------------- the tree

function treeRows() {
  const rows = [{ id: null, level: 1, name: 'All children' }], open = supervisors.size <= 40;
  const childrenOf = new Map();
  for (const one of supervisors.values()) {
    if (!childrenOf.has(one.parent)) childrenOf.set(one.parent, []);
    childrenOf.get(one.parent).push(one);
  }
  const visit = (parent) => {
    const siblings = childrenOf.get(parent) ?? [];
    siblings.slice(0, MOST_SIBLINGS).forEach((one, place) => {
      const opens = childrenOf.has(one.id), isOpen = opens && (expanded.get(one.id) ?? (open || one.level === 1));
      rows.push({ ...one, opens, isOpen, place: place + 1, of: siblings.length });
      if (isOpen) visit(one.id);
    });
    if (siblings.length > MOST_SIBLINGS) rows.push({ id: `more ${parent}`, level: siblings[0].level, name: `and ${siblings.length - MOST_SIBLINGS} more: search for them`, more: true });
  };
  visit(null);
  return rows;
}

function drawTree() {
  const rows = treeRows();
  keyed($('tree'), rows, (row) => row.id ?? 'all', () => {
    return el('li', { role: 'treeitem', tabindex: -1 }, svg('svg', { class: 'indent' }), el('span', { class: 'toggle' }), el('span', { class: 'kind' }), el('span', { class: 'name any' }), el('span', { class: 'down warn' }), budgetBar(false), el('span', { class: 'count' }));
  }, (node, row) => {
    const [indent, toggle, kind, name, down, budget, number] = node.children;
    node.row = row;
    const { snapshot } = row, limit = snapshot?.limit;
    const notRunning = snapshot ? snapshot.sums.reduce((sum, one) => sum + (one.state === 'running' ? 0 : one.children), 0) : 0;
    setAttribute(indent, 'width', (row.level - 1) * 14);
    if (row.opens && !toggle.firstChild) toggle.append(icon('chevron'));
    if (!row.opens) toggle.replaceChildren();
    const sign = row.id === null ? 'all' : row.silent ? 'silent' : row.more ? 'note' : 'tree';
    if (kind.dataset.sign !== sign) {
      kind.dataset.sign = sign;
      kind.replaceChildren(icon(sign, row.silent ? 'silent' : 'accent'));
    }
    setText(name, row.name);
    setAttribute(name, 'title', row.path ?? null);
    setText(down, row.silent ? row.word : snapshot?.state === 'closing' ? 'closing' : notRunning ? `${notRunning} down` : '');
    setAttribute(budget, 'class', limit ? `budget ${budgetLook(limit)}` : 'budget none');
    if (limit) setBudget(budget, limit);
    setText(number, snapshot ? snapshot.counts.specs.toLocaleString('en') : '');
    setAttribute(node, 'aria-level', row.level);
    setAttribute(node, 'aria-selected', row.id === view.supervisor);
    setAttribute(node, 'aria-expanded', row.opens ? row.isOpen : null);
    setAttribute(node, 'aria-posinset', row.place ?? null);
    setAttribute(node, 'aria-setsize', row.of ?? null);
    setAttribute(node, 'aria-disabled', row.silent || row.more ? true : null);
    setAttribute(node, 'title', row.silent ? `${row.path}: ${row.silent}` : limit ? budgetText(limit) : null);
    setAttribute(node, 'aria-label', row.silent ? `${row.name}, ${row.word}${row.word === row.silent ? '' : `: ${row.silent}`}` : snapshot ? `${row.name}, ${count(snapshot.counts.specs, 'child', 'children')}, ${notRunning ? `${notRunning} not running, ` : ''}${budgetText(limit)}` : row.name);
  });
  rove($('tree'), (node) => node.getAttribute('aria-selected') === 'true');
}

/** One row of a list can be reached with Tab, the others with the arrows from there. */
function rove(parent, isChosen) {
  const rows = [...parent.children];
  const current = rows.find((row) => row === document.activeElement) ?? rows.find((row) => row.tabIndex === 0) ?? rows.find(isChosen) ?? rows[0];
  for (const row of rows) if (row.tabIndex !== (row === current ? 0 : -1)) row.tabIndex = row === current ? 0 : -1;
}

function moveTo(row) {
  if (!row) return;
  for (const other of row.parentNode.children) other.tabIndex = other === row ? 0 : -1;
  row.focus();
}

const step = { ArrowDown: (row) => row.nextElementSibling, ArrowUp: (row) => row.previousElementSibling, Home: (row) => row.parentNode.firstElementChild, End: (row) => row.parentNode.lastElementChild };

$('tree').addEventListener('keydown', (event) => {
  const node = event.target.closest('li');
  if (!node || event.ctrlKey || event.metaKey || event.altKey) return;
  const { row } = node;
  if (step[event.key]) moveTo(step[event.key](node));
  else if (event.key === 'Enter' || event.key === ' ') choose(row);
  else if (event.key === 'ArrowRight') {
    if (row.opens && !row.isOpen) toggle(row, true);
    else if (row.isOpen) moveTo(node.nextElementSibling);
  } else if (event.key === 'ArrowLeft') {
    if (row.isOpen) toggle(row, false);
    else moveTo([...$('tree').children].find((other) => other.row.id === row.parent && row.id !== null));
  } else if (event.key.length === 1 && /\p{L}|\p{N}/u.test(event.key)) {
    const rows = [...$('tree').children], from = rows.indexOf(node) + 1;
    moveTo([...rows.slice(from), ...rows.slice(0, from)].find((other) => other.row.name.toLowerCase().startsWith(event.key.toLowerCase())));
  } else return;
  event.preventDefault();
});

$('tree').addEventListener('click', (event) => {
  const node = event.target.closest('li');
  if (!node) return;
  if (event.target.closest('.toggle') && node.row.opens) toggle(node.row, !node.row.isOpen);
  else choose(node.row);
  moveTo(node);
});

function toggle(row, open) {
  expanded.set(row.id, open);
  draw(drawTree);
}

function choose(row) {
  view.supervisorAsChild = null;
  if (row.more) return;
  if (row.silent) return openChild(row.child);
  view.child = null;
  reset({ supervisor: row.id, module: '' });
}

/** Another list: from its beginning. */
function reset(chosen) {
  Object.assign(view, chosen, { rows: PAGE, after: null });
  list.loaded = false;
  remember();
  draw(drawTree, drawModules, drawList, drawDetail, drawLog);
  askList.now();
}

// ---------------------------------------------------------------- the children

let touchedAt = -Infinity;
for (const kind of ['pointermove', 'keydown']) $('list-scroll').addEventListener(kind, () => (touchedAt = performance.now()), { passive: true });

/** While somebody points into the list, or walks through it, rows do not move away under them. */
function inOrder(children) {
  const held = performance.now() - touchedAt < 3000 && list.shown;
  if (!held) return children;
  const place = new Map(list.shown.map((id, place) => [id, place]));
  return [...children].sort((one, other) => (place.get(one.id) ?? Infinity) - (place.get(other.id) ?? Infinity) || 0);
}

function drawList() {
  const where = view.supervisor ? supervisors.get(view.supervisor)?.path ?? `supervisor ${view.supervisor}` : 'All children';
  setText($('list-title'), where);
  setAttribute($('list-title'), 'title', where);
  const children = list.loaded ? inOrder(list.children) : [];
  list.shown = children.map((child) => child.id);
  const isFiltered = view.q || view.state || view.module;
  setText($('list-note'), list.error ? `Not up to date: ${list.error}` : list.loaded ? [`${count(list.matched, 'child', 'children')}${isFiltered ? ' found' : ''}`, view.order === 'worst' ? 'worst first' : 'in start order', ...list.silent.map((path) => `no answer from ${path}`)].join(' · ') : 'loading');
  keyed($('rows'), children, (child) => child.id, (child) => el('tr', { tabindex: -1 },
    el('td', {}, el('span', { class: 'any' }), el('small', { class: 'any mono' })),
    el('td', { class: 'state' }, el('span', { class: 'sign' }), ' ', el('span'), el('small')),
    el('td', {}, el('span', { class: 'any' }), el('small', { class: 'any' })),
    el('td', { class: 'number' }),
    el('td', {}, el('span', { class: 'sign' }), ' ', el('span', { class: 'any' }), el('small'))), drawRow);
  rove($('rows'), (row) => row.getAttribute('aria-selected') === 'true');
  $('empty').hidden = !list.loaded || children.length > 0;
  setText($('empty'), isFiltered ? 'Nothing matches. Esc clears the search.' : 'No children.');
  const left = list.matched - children.length, atEnd = view.rows >= MOST_ROWS, goesOn = atEnd && list.next;
  $('more').hidden = !list.loaded || left <= 0 || (atEnd && !list.next);
  setText($('more'), goesOn ? 'Next page' : `${Math.min(PAGE, left)} more`);
  $('back').hidden = !view.after;
  drawAges();
}

function drawRow(row, child) {
  const [name, state, type, restarts, last] = row.children;
  row.child = child;
  setAttribute(row, 'aria-selected', child.id === view.child);
  setText(name.children[0], nameOf(child));
  setAttribute(name, 'title', nameOf(child));
  const owner = view.supervisor ? null : supervisors.get(supervisorOf(child.id))?.name;
  setText(name.children[1], [owner, alsoCalled(child)].filter(Boolean).join(' · '));
  setSign(state, child.state, child.state);
  setText(state.children[1], stateOf(child));
  setAttribute(state.children[1], 'class', child.state);
  setText(type.children[0], shortType(child.module));
  setAttribute(type, 'title', child.module);
  setText(type.children[1], `${child.restart}${child.child_type === 'supervisor' ? ' supervisor' : ''}`);
  setText(restarts, child.restarts.toLocaleString('en'));
  const reason = child.last_exit;
  setSign(last, ...(reason ? reasonLook(reason) : ['', '']));
  setText(last.children[1], reason ? reasonText(reason) : '–');
  setAttribute(last, 'title', reason ? reason.text : null);
  const ended = child.lives?.at(-1);
  setText(last.children[2], reason ? [reason.location, ended ? `after ${duration(ended.uptime_ms)}` : null].filter(Boolean).join(' · ') : '');
}

function setSign(cell, name, kind) {
  const place = cell.children[0], look = `${name} ${kind}`;
  if (place.dataset.look === look) return;
  place.dataset.look = look;
  place.replaceChildren(...(name ? [icon(name, kind)] : []));
}

/** What grows older by itself: since when, and when next. */
function drawAges() {
  const passed = performance.now() - list.at;
  for (const row of $('rows').children) {
    const { child } = row;
    setText(row.children[1].children[2], child.next_try_ms !== null && child.state === 'restarting' ? `next try in ${duration(Math.max(0, child.next_try_ms - passed))}` : `for ${coarse(child.state_ms + passed)}`);
  }
}

function drawModules() {
  const modules = new Map();
  for (const { id, snapshot } of supervisors.values()) {
    if (!snapshot || (view.supervisor && id !== view.supervisor)) continue;
    for (const { module, children } of snapshot.sums) modules.set(module, (modules.get(module) ?? 0) + children);
  }
  if (view.module && !modules.has(view.module)) modules.set(view.module, 0);
  const most = [...modules].sort((one, other) => other[1] - one[1]).slice(0, 100).map(([module]) => module);
  const options = [...$('f-module').options].slice(1);
  // A list that is open is left alone.
  if (document.activeElement === $('f-module') || (options.length === most.length && options.every((option) => modules.has(option.value)))) return;
  $('f-module').replaceChildren($('f-module').options[0], ...most.map((module) => el('option', { value: module, title: module }, shortType(module))));
  $('f-module').value = view.module;
}

$('rows').addEventListener('click', (event) => {
  const row = event.target.closest('tr');
  if (!row) return;
  moveTo(row);
  openChild(row.child.id);
});

$('rows').addEventListener('keydown', (event) => {
  const row = event.target.closest('tr');
  if (!row || event.ctrlKey || event.metaKey || event.altKey) return;
  if (step[event.key]) moveTo(step[event.key](row));
  else if (event.key === 'Enter' || event.key === ' ') {
    openChild(row.child.id);
    $('detail-title').focus();
  } else return;
  event.preventDefault();
});

let typing = null;
$('q').addEventListener('input', () => {
  clearTimeout(typing);
  typing = setTimeout(() => reset({ q: $('q').value.trim() }), 150);
});
for (const name of ['state', 'module', 'order']) $(`f-${name}`).addEventListener('change', (event) => reset({ [name]: event.target.value }));
$('filter').addEventListener('submit', (event) => event.preventDefault());
$('more').addEventListener('click', () => {
  if (view.rows < MOST_ROWS) view.rows = Math.min(MOST_ROWS, view.rows + PAGE);
  else Object.assign(view, { after: list.next, rows: PAGE });
  askList.now();
});
$('back').addEventListener('click', () => reset({}));

// ---------------------------------------------------------------- the details

function openChild(id) {
  view.child = id;
  Object.assign(detail, { child: list.children.find((child) => child.id === id) ?? null, at: list.at, error: null });
  remember();
  draw(drawList, drawDetail);
  askDetail.now();
  if (matchMedia('(max-width: 1080px)').matches) requestAnimationFrame(() => $('detail-panel').scrollIntoView({ block: 'start' }));
}

function closeChild() {
  const row = [...$('rows').children].find((row) => row.child.id === view.child);
  view.child = null;
  remember();
  draw(drawList, drawDetail);
  (row ?? $('q')).focus({ preventScroll: !row });
}

$('close').addEventListener('click', closeChild);

function drawDetail() {
  $('close').hidden = !view.child;
  const selection = getSelection();
  // Somebody is about to copy from it.
  if (detail.shown === view.child && !selection.isCollapsed && $('detail').contains(selection.anchorNode)) return;
  detail.shown = view.child;
  const content = (view.child ? childDetail() : supervisorDetail()).filter(Boolean), before = [...$('detail').childNodes];
  // What has the focus is found again by its name.
  const focused = document.activeElement?.dataset?.act;
  content.forEach((node, place) => {
    if (!before[place]) $('detail').append(node);
    else if (!before[place].isEqualNode(node)) before[place].replaceWith(node);
  });
  for (const node of before.slice(content.length)) node.remove();
  if (focused) $('detail').querySelector(`[data-act="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
}

const fact = (name, ...value) => (value[0] === null || value[0] === undefined ? [] : [el('dt', {}, name), el('dd', { class: 'any' }, ...value)]);

function limitPart(limit, title) {
  const bar = budgetBar(true);
  setBudget(bar, limit);
  const free = limit.next_free_ms === null ? '' : `, next one free in ${duration(limit.next_free_ms)}`;
  const look = budgetLook(limit), warning = look === 'most' ? ' Close to the limit.' : look === 'half' ? ' Half is used up.' : '';
  return el('div', { class: look }, el('h3', {}, title), bar, el('p', {}, budgetText(limit) + free + '.', el('strong', {}, warning)));
}

function supervisorDetail() {
  const one = view.supervisor ? supervisors.get(view.supervisor) : null, snapshot = one?.snapshot;
  setText($('detail-title'), view.supervisor ? one?.name ?? 'Supervisor' : 'Summary');
  if (view.supervisor && !snapshot) return [el('p', { class: 'note' }, one?.silent ? `It tells nothing: ${one.silent}.` : told.at ? 'This supervisor is not in the tree (any more).' : 'Loading.')];
  const shown = snapshot ? [snapshot] : [...supervisors.values()].map((one) => one.snapshot).filter(Boolean);
  const parts = [];
  if (snapshot) {
    const { active, workers, supervisors: nested } = snapshot.counts;
    parts.push(el('dl', {}, ...fact('Path', one.path), ...fact('Id', snapshot.id), ...fact('State', snapshot.state), ...fact('Running for', duration(snapshot.age_ms)),
      ...fact('Children', `${count(workers, 'worker')}, ${count(nested, 'supervisor')}, ${active.toLocaleString('en')} active${snapshot.max_children === null ? '' : ` (at most ${snapshot.max_children.toLocaleString('en')})`}`)));
    parts.push(limitPart(snapshot.limit, 'Restart limit'));
  } else {
    const near = shown.filter(({ limit }) => budgetLook(limit)).sort((one, other) => other.limit.used / other.limit.max_restarts - one.limit.used / one.limit.max_restarts);
    parts.push(el('h3', {}, 'Restart limits half used up, or more'), near.length ? null : el('p', {}, 'None.'));
    for (const { id, path, limit } of near.slice(0, 8)) {
      const bar = budgetBar(true);
      setBudget(bar, limit);
      parts.push(el('div', { class: budgetLook(limit) }, el('button', { type: 'button', class: 'any', 'data-act': `near ${id}`, onclick: () => reset({ supervisor: id, module: '' }) }, path), ' ', el('strong', {}, `${limit.used} of ${limit.max_restarts}`), ` in ${duration(limit.period_ms)}`, bar));
    }
  }
  parts.push(el('h3', {}, 'By type and state'), sumTable(shown));
  return parts;
}

function sumTable(snapshots) {
  const byType = new Map();
  for (const { sums } of snapshots) {
    for (const { module, state, children, restarts } of sums) {
      const row = byType.get(module) ?? { running: 0, restarting: 0, starting: 0, stopping: 0, restarts: 0, all: 0 };
      row[state] += children;
      row.all += children;
      row.restarts += restarts;
      byType.set(module, row);
    }
  }
  const rows = [...byType].sort((one, other) => other[1].all - one[1].all);
  const cell = (number, state) => el('td', { class: `number ${number && state !== 'running' ? state ?? '' : ''}` }, number ? number.toLocaleString('en') : el('span', { class: 'muted' }, '0'));
  return el('table', {}, el('thead', {}, el('tr', {}, el('th', { scope: 'col' }, 'Type'), ...STATES.map((state) => el('th', { scope: 'col', class: 'number' }, icon(state, state), el('abbr', { title: state, 'aria-label': state }))), el('th', { scope: 'col', class: 'number' }, 'Restarts'))),
    el('tbody', {}, ...rows.slice(0, 50).map(([module, row]) => el('tr', {}, el('th', { scope: 'row', class: 'any', title: module }, shortType(module)), ...STATES.map((state) => cell(row[state], state)), cell(row.restarts)))));
}

function childDetail() {
  const { child, error } = detail;
  setText($('detail-title'), child ? nameOf(child) : view.child);
  if (!child) return [el('p', { class: 'note' }, error ?? 'Loading.')];
  const ended = Boolean(error), passed = performance.now() - detail.at, owner = supervisors.get(supervisorOf(child.id));
  const parts = [];
  if (ended) parts.push(el('p', { class: 'last bad-edge', role: 'status' }, error));
  const state = [icon(child.state, child.state), ' ', el('strong', { class: child.state }, stateOf(child)), ` for ${coarse(child.state_ms + passed)}`];
  if (child.next_try_ms !== null) state.push(', next try in ', el('span', { class: 'countdown', 'data-until': performance.now() + child.next_try_ms - passed }, duration(child.next_try_ms - passed)));
  parts.push(el('p', {}, ...state));
  if (child.last_exit) parts.push(lastExit(child.last_exit));
  parts.push(el('dl', {}, ...fact('Id', child.id), ...fact('Label', child.key === null || child.key === child.label ? null : child.label), ...fact('Type', child.module), ...fact('Supervisor', owner?.path),
    ...fact('Restart type', `${child.restart} ${child.child_type}`), ...fact('Restarts', `${child.restarts}, incarnation ${child.incarnation}`),
    ...fact('Messages handled', child.handled?.toLocaleString('en')), ...fact('In its queue', child.queued?.toLocaleString('en')),
    ...fact('Longest poll', child.longest_poll_ms === null ? null : `${child.longest_poll_ms} ms`), ...fact('Thread', child.arbiter ?? 'its supervisor\'s')));
  const nested = [...supervisors.values()].find((one) => one.child === child.id && one.snapshot);
  if (nested) parts.push(el('p', { class: 'actions' }, el('button', { type: 'button', 'data-act': 'nested', onclick: () => choose(nested) }, 'Show its children')));
  if (child.limit) parts.push(limitPart(child.limit, 'Restart limit of its own'));
  parts.push(el('h3', {}, 'Lives'), ...lives(child, passed));
  if (told.actions && !ended) parts.push(actions(child));
  return parts;
}

function lastExit(reason) {
  const [sign, kind] = reasonLook(reason);
  return el('div', { class: `last ${reason.abnormal ? 'bad-edge' : ''}` }, el('div', { class: 'reason any', id: 'last-reason' }, icon(sign, kind), ' ', reasonText(reason)),
    reason.location || reason.handling ? el('div', { class: 'muted any' }, [reason.location ? `at ${reason.location}` : null, reason.handling ? `handling ${shortType(reason.handling)}` : null].filter(Boolean).join(', ')) : null);
}

function lives(child, passed) {
  if (!child.lives.length) return [el('p', { class: 'muted' }, 'It is in its first life.')];
  const ago = (ms) => clock(Date.now() - ms - passed).slice(0, 8);
  const kinds = new Map(child.lives.map(({ reason }) => [reason.kind, reasonLook(reason)]));
  return [chart(child, passed), el('p', { class: 'legend' }, ...[...kinds].map(([kind, [sign, look]]) => el('span', {}, icon(sign, look), ` ${kind.replace('_', ' ')}`)), child.state === 'running' ? el('span', {}, icon('running', 'running'), ' this life') : null),
    el('ol', { class: 'lives', 'aria-label': 'Lives that ended, the last first' }, ...[...child.lives].reverse().map((life) => {
      const [sign, kind] = reasonLook(life.reason), { location, handling } = life.reason;
      return el('li', {}, el('div', { class: 'reason any' }, icon(sign, kind), ' ', reasonText(life.reason)), el('div', { class: 'when any' }, `no. ${life.incarnation}, ended ${ago(life.ended_ms_ago)}, lived ${duration(life.uptime_ms)}${location ? `, ${location}` : ''}${handling ? `, handling ${shortType(handling)}` : ''}`));
    }))];
}

/** Lives on an axis of time. It is logarithmic: a burst of crashes a moment ago, and a life of hours before, are both to be seen. */
function chart(child, passed) {
  const width = 340, top = 12, height = 14, oldest = Math.max(2000, child.lives[0].began_ms_ago + passed);
  const far = Math.log10(1 + oldest / 1000), x = (ms) => width * (1 - Math.log10(1 + Math.max(0, ms) / 1000) / far);
  const bar = (from, to, look, title) => svg('rect', { class: `life ${look}`, x: x(from).toFixed(1), y: top, height, width: Math.max(2, x(to) - x(from) - 1).toFixed(1), rx: 1.5 }, svg('title', {}, title));
  const node = svg('svg', { class: 'chart', viewBox: `0 0 ${width} 42`, role: 'img', 'aria-label': `Restart history: ${count(child.lives.length, 'life', 'lives')} that ended, listed below` });
  node.append(svg('line', { class: 'axis', x1: 0, x2: width, y1: top + height / 2, y2: top + height / 2 }));
  for (const life of child.lives) {
    const [sign, look] = reasonLook(life.reason), end = life.ended_ms_ago + passed;
    node.append(bar(life.began_ms_ago + passed, end, look, `${life.reason.text}, lived ${duration(life.uptime_ms)}`));
    node.append(svg('use', { href: `#s-${sign}`, class: look, x: Math.max(0, Math.min(width - 10, x(end) - 5)).toFixed(1), y: 0, width: 10, height: 10 }));
  }
  if (child.state === 'running') node.append(bar(child.state_ms + passed, 0, 'now', `runs for ${duration(child.state_ms + passed)}`));
  let free = width - 26;
  node.append(svg('text', { x: width, y: 39, 'text-anchor': 'end' }, 'now'));
  for (const [ms, text] of [[1e3, '1 s'], [1e4, '10 s'], [6e4, '1 min'], [6e5, '10 min'], [36e5, '1 h'], [216e5, '6 h'], [864e5, '1 d'], [6048e5, '7 d']]) {
    if (ms > oldest || x(ms) > free - 16 || x(ms) < 12) continue;
    node.append(svg('line', { class: 'axis', x1: x(ms), x2: x(ms), y1: top + height, y2: top + height + 4 }), svg('text', { x: x(ms), y: 39, 'text-anchor': 'middle' }, text));
    free = x(ms) - 18;
  }
  return node;
}

setInterval(() => {
  for (const node of document.querySelectorAll('[data-until]')) setText(node, duration(Math.max(0, node.dataset.until - performance.now())));
}, matchMedia('(prefers-reduced-motion: reduce)').matches ? 1000 : 200);

// ---------------------------------------------------------------- what can be done

function actions(child) {
  const comesBack = child.restart !== 'temporary';
  const button = (what, title, text) => el('button', { type: 'button', class: 'danger', 'data-act': what, onclick: () => confirmed(title, text, () => act(child, what)) }, title.split(' ')[0]);
  const name = nameOf(child);
  return el('div', { class: 'actions' },
    comesBack ? button('kill', `Restart ${name}?`, `This kills it: its incarnation ends at once, without hooks, and its restart type (${child.restart}) brings it back. It counts in the restart limit.`)
      : button('kill', `Kill ${name}?`, 'It ends at once, without hooks. Its restart type decides what follows: temporary, it does not come back.'),
    button('terminate', `Terminate ${name}?`, 'It is asked to end, in order, and is forgotten. It does not come back.'));
}

let yes = null;

function confirmed(title, text, then) {
  setText($('confirm-title'), title);
  setText($('confirm-text'), text);
  setText($('confirm-yes'), title.split(' ')[0]);
  yes = then;
  $('confirm').showModal();
  $('confirm-no').focus();
}

$('confirm-no').addEventListener('click', () => $('confirm').close());
$('confirm-yes').addEventListener('click', () => {
  $('confirm').close();
  yes?.();
});

async function act(child, what) {
  try {
    await fetchJson(`api/children/${encodeURIComponent(child.id)}/${what}`, { method: 'POST' });
  } catch (error) {
    addToLog({ event: 'refused', supervisor: supervisorOf(child.id), text: `${what} ${nameOf(child)}: ${error.message}`, at: Date.now() });
  }
  askList.now();
  askDetail.now();
}

// ---------------------------------------------------------------- the events

const EVENT_LOOK = {
  started: ['up', 'good'], restarted: ['up', 'good'], supervisor_started: ['up', 'good'], start_failed: ['cross', 'bad'], gave_up: ['cross', 'bad'], limit_reached: ['cross', 'bad'],
  limit_near: ['silent', 'warn'], killed_at_deadline: ['killed', 'warn'], unresponsive: ['silent', 'warn'], missed: ['silent', 'warn'], 'left out': ['silent', 'warn'], refused: ['cross', 'bad'], restart_scheduled: ['restarting', 'restarting'],
};

function drawLog() {
  const wanted = $('log-q').value.trim().toLowerCase(), here = $('log-here').checked && view.supervisor;
  const lines = log.lines.filter((line) => (!here || line.supervisor === view.supervisor) && (!wanted || line.event.includes(wanted) || line.text.toLowerCase().includes(wanted))).slice(-LOG_LINES).reverse();
  keyed($('log'), lines, (line) => line, (line) => {
    const [sign, kind] = line.event === 'exited' && line.reason ? reasonLook(line.reason) : EVENT_LOOK[line.event] ?? ['note', ''];
    return el('li', {}, el('time', {}, clock(line.at)), el('span', { class: 'kind' }, icon(sign, kind), ` ${line.event.replaceAll('_', ' ')}`),
      line.child ? el('button', { type: 'button', onclick: () => openChild(line.child.id) }, line.text) : el('span', { class: 'any' }, line.text));
  }, () => {});
  // One of them can be reached with Tab, the others with the arrows from there.
  const buttons = [...$('log').querySelectorAll('button')], current = buttons.find((button) => button === document.activeElement) ?? buttons[0];
  for (const button of buttons) button.tabIndex = button === current ? 0 : -1;
  setText($('log-note'), log.paused ? 'paused' : log.lines.length ? '' : 'Nothing has happened since this page was opened.');
}

$('log').addEventListener('keydown', (event) => {
  const buttons = [...$('log').querySelectorAll('button')], by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (!by) return;
  buttons[buttons.indexOf(event.target) + by]?.focus();
  event.preventDefault();
});
$('log-q').addEventListener('input', () => draw(drawLog));
$('log-here').addEventListener('change', () => draw(drawLog));
$('clear').addEventListener('click', () => {
  log.lines = [];
  draw(drawLog);
});
$('pause').addEventListener('click', () => {
  log.paused = !log.paused;
  setAttribute($('pause'), 'aria-pressed', log.paused);
  setText($('pause'), log.paused ? 'Go on' : 'Pause');
  draw(drawLog);
});

// ---------------------------------------------------------------- keys, and the address

document.addEventListener('keydown', (event) => {
  if ($('confirm').open || event.ctrlKey || event.metaKey || event.altKey) return;
  const isTyping = /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName);
  if (event.key === '/' && !isTyping) {
    event.preventDefault();
    $('q').focus();
    $('q').select();
  } else if (event.key === 'Escape') {
    if (event.target === $('log-q')) return;
    if (view.child && event.target !== $('q')) closeChild();
    else if ($('q').value || view.state || view.module) {
      $('q').value = $('f-state').value = $('f-module').value = '';
      reset({ q: '', state: '', module: '' });
    } else if (view.child) closeChild();
    else if (isTyping) event.target.blur();
  }
});

/** The address tells what is looked at, so that it can be kept and sent. */
function remember() {
  const parts = new URLSearchParams();
  for (const name of ['supervisor', 'child', 'q', 'state', 'order']) if (view[name] && !(name === 'order' && view.order === 'worst')) parts.set(name, view[name]);
  window.history.replaceState(null, '', parts.size ? `#${parts}` : location.pathname);
}

function recall() {
  const parts = new URLSearchParams(location.hash.slice(1));
  Object.assign(view, { supervisor: parts.get('supervisor'), child: parts.get('child'), q: parts.get('q') ?? '', state: parts.get('state') ?? '', order: parts.get('order') === 'start' ? 'start' : 'worst', rows: PAGE, after: null });
  $('q').value = view.q;
  $('f-state').value = view.state;
  $('f-order').value = view.order;
}

function drawAll() {
  draw(drawHeader, drawTiles, drawTree, drawModules, drawList, drawDetail, drawLog);
}

addEventListener('hashchange', () => {
  recall();
  drawAll();
  askList.now();
  askDetail.now();
});

recall();
connect();
drawAll();
