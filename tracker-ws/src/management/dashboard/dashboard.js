// The dashboard: asks for the token, keeps it in this tab, and reads the management API.

import { bars, bytes, count, element, lines, percent, table } from './charts.js';

const REFRESH_MS = 5000;
const MAX_EVENTS = 100;
const KEY = 'tracker-token';

const at = (id) => document.getElementById(id);
/** Ends everything of one sign-in. */
let session = new AbortController();

class SignedOut extends Error {}

async function read(path, init = {}) {
  const headers = { ...init.headers, Authorization: `Bearer ${sessionStorage.getItem(KEY)}` };
  const response = await fetch(path, { ...init, headers, cache: 'no-store', signal: session.signal });
  if (response.status === 401) throw new SignedOut('The tracker does not take this token.');
  if (!response.ok) throw new Error((await response.json()).detail);
  return response;
}

const json = async (path) => (await read(path)).json();

function signOut(message = '') {
  session.abort();
  sessionStorage.removeItem(KEY);
  at('dashboard').hidden = true;
  at('sign-out').hidden = true;
  at('phase').replaceChildren();
  at('sign-in').hidden = false;
  at('sign-in-error').textContent = message;
  at('token').focus();
}

function signIn() {
  session = new AbortController();
  at('sign-in').hidden = true;
  at('dashboard').hidden = false;
  at('sign-out').hidden = false;
  at('event-list').replaceChildren();
  const mine = session.signal;
  repeat(mine, refresh, REFRESH_MS);
  repeat(mine, follow, 2000);
}

/** Does it again and again, with a pause, until signed out. */
async function repeat(signal, work, pause) {
  while (!signal.aborted) {
    try {
      await work();
      at('problem').hidden = true;
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof SignedOut) return signOut(error.message);
      at('problem').textContent = `The tracker cannot be read: ${error.message}`;
      at('problem').hidden = false;
    }
    await new Promise((resolve) => setTimeout(resolve, pause));
  }
}

async function refresh() {
  const overview = await json('/v1/overview');
  show(overview);
  showNodes(await json('/v1/nodes'));
  choose(overview.largest);
  const swarm = at('swarm-choice').value;
  if (swarm) showSwarm(swarm);
  else table(at('rarest'), '', [], [], 'No swarm has members now.');
}

function show({ status, samples, census, faults }) {
  const state = element('b', status.phase);
  at('phase').classList.toggle('ending', status.phase !== 'serving');
  at('phase').replaceChildren(state, ` · up ${duration(status.uptime)} · version ${status.version}`);
  const { playback } = census;
  at('peers').textContent = count(status.peers + status.webtorrent_members);
  at('swarms').textContent = count(status.swarms + status.webtorrent_swarms);
  at('sockets').textContent = count(status.sockets);
  at('share').textContent = percent(playback.p2p_share);
  at('stalls').textContent = count(playback.stalls);
  at('refused').textContent = count(faults.reduce((sum, fault) => sum + fault.count, 0));

  const values = (of) => samples.map(of);
  lines(
    at('totals-chart'),
    samples,
    [
      { name: 'Peers', kind: 'first', values: values((one) => one.peers + one.webtorrent_members) },
      { name: 'Swarms', kind: 'second', values: values((one) => one.swarms + one.webtorrent_swarms) },
    ],
    count,
  );
  const shares = values((one) => one.p2p_share);
  const share = [{ name: 'From peers', kind: 'first', values: shares }];
  lines(at('share-chart'), samples, share, percent, 1, (value) => `${value * 100} %`);
  bars(at('role-bars'), Object.entries(census.by_role), 'No peer is registered.');
  const nats = { none: 'none', stun: 'behind a NAT (STUN)', turn: 'relayed (TURN)', unknown: 'unknown' };
  const byNat = Object.entries(census.by_nat).map(([nat, peers]) => [nats[nat], peers]);
  bars(at('nat-bars'), byNat, 'No peer is registered.');
  bars(at('network-bars'), Object.entries(census.by_network), 'No peer is registered.');
  const byReason = faults.map(({ kind, reason, count }) => [`${reason} (${kind})`, count]);
  bars(at('fault-bars'), byReason, 'Nothing was refused.');
  facts(at('playback-facts'), [
    ['Peers that report', count(playback.reporting)],
    ['From peers', bytes(playback.p2p_bytes)],
    ['From the origin', bytes(playback.http_bytes)],
    ['Stalls', count(playback.stalls)],
    ['Time stalled', `${(playback.stall_ms / 1000).toFixed(1)} s`],
    ['Late chunks', count(playback.late_chunks)],
    ['Bad chunks', count(playback.bad_chunks)],
    ['Connections made', count(playback.connections_made)],
    ['Connections failed', count(playback.connections_failed)],
  ]);
}

/** The nodes of the cluster, where it is one of several. */
function showNodes({ cluster, items, peers, sockets }) {
  at('nodes-card').hidden = cluster === 'alone';
  const rows = items.map(({ id, own, url, counts }) => {
    const name = `${url ?? id ?? ''}${own ? ' (this one)' : ''}`;
    return [name, ...['peers', 'swarms', 'sockets'].map((key) => (counts ? count(counts[key]) : '–'))];
  });
  const island = cluster === 'island' ? '; this one is without the engine' : '';
  const caption = `${count(items.length)} nodes, ${count(peers)} peers, ${count(sockets)} sockets${island}`;
  table(at('node-table'), caption, ['Node', 'Peers', 'Swarms', 'Sockets'], rows, '');
}

function facts(into, pairs) {
  into.replaceChildren(...pairs.flatMap(([name, value]) => [element('dt', name), element('dd', value)]));
}

/** The largest swarms to choose from; the choice stays while it is one of them. */
function choose(largest) {
  const select = at('swarm-choice');
  const chosen = select.value;
  const options = largest.map(({ swarm_id, members }) => {
    const short = swarm_id.length > 24 ? `${swarm_id.slice(0, 12)}…${swarm_id.slice(-8)}` : swarm_id;
    return element('option', `${short} · ${count(members)} members`, { value: swarm_id });
  });
  select.replaceChildren(...options);
  if (largest.some(({ swarm_id }) => swarm_id === chosen)) select.value = chosen;
}

async function showSwarm(id) {
  try {
    const swarm = await json(`/v1/swarms/${encodeURIComponent(id)}`);
    const rows = swarm.rarest.map(({ first, last, holders }) => {
      const range = first === last ? `${first}` : `${first} – ${last}`;
      return [range, count(last - first + 1), count(holders)];
    });
    const caption = `${count(swarm.maps)} chunk maps and ${count(swarm.seeders)} seeders; the rarest first`;
    table(at('rarest'), caption, ['Chunks', 'Number', 'Peers that have them'], rows, 'No chunk map is reported yet.');
  } catch (error) {
    // It may have lost its last member; the next look at all of them says so.
    if (!(error instanceof SignedOut)) table(at('rarest'), '', [], [], error.message);
  }
}

/** Follows the events until the stream ends. */
async function follow() {
  const response = await read('/v1/events', { headers: { Accept: 'text/event-stream' } });
  at('event-list').replaceChildren();
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = '';
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const frames = (text + value).split('\n\n');
    text = frames.pop() ?? '';
    for (const frame of frames) {
      const data = frame.split('\n').find((line) => line.startsWith('data: '));
      if (data) tell(JSON.parse(data.slice(6)));
    }
  }
}

function tell(event) {
  const list = at('event-list');
  const item = element('li');
  if (event.at) {
    const time = new Date(event.at);
    item.append(element('time', time.toLocaleTimeString('en', { hour12: false }), { datetime: time.toISOString() }));
  }
  item.append(sentence(event));
  list.prepend(item);
  while (list.children.length > MAX_EVENTS) list.lastChild?.remove();
}

function sentence(event) {
  const short = (id) => `${id.slice(0, 8)}…`;
  switch (event.event) {
    case 'joined':
      return `peer ${short(event.peer_id)} joined ${short(event.swarm_id)}`;
    case 'left':
      return `peer ${short(event.peer_id)} left ${short(event.swarm_id)}`;
    case 'gone':
      return `peer ${short(event.peer_id)} is gone`;
    case 'refused':
      return `${count(event.count)} × ${event.reason} (${event.kind}) refused`;
    case 'ban_added':
      return `banned ${event.subject}`;
    case 'ban_removed':
      return `no longer banned: ${event.subject}`;
    case 'settings':
      return `settings: ${event.changes.join('; ')}`;
    case 'draining':
      return 'draining';
    default:
      return `${count(event.lost ?? 0)} events were missed`;
  }
}

function duration(seconds) {
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60];
  if (hours >= 24) return `${Math.floor(hours / 24)} d ${hours % 24} h`;
  return hours > 0 ? `${hours} h ${minutes} min` : `${minutes} min ${seconds % 60} s`;
}

at('token-form').addEventListener('submit', (event) => {
  event.preventDefault();
  sessionStorage.setItem(KEY, at('token').value.trim());
  at('token').value = '';
  signIn();
});
at('sign-out').addEventListener('click', () => signOut());
at('swarm-choice').addEventListener('change', () => showSwarm(at('swarm-choice').value));

if (sessionStorage.getItem(KEY)) signIn();
else signOut();
