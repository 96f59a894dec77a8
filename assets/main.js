// Wires the page: events go into the store, and from there to whatever shows them.
//
// Panels are drawn in an animation frame, so that a burst of events is drawn once and a hidden tab
// draws nothing. The glance card and the title follow at once: they are what a hidden tab is for.

import { Account } from './account.js';
import { Badge } from './badge.js';
import { ContainersPanel } from './containers.js';
import { EventsPanel } from './events.js';
import { Expected } from './expected.js';
import { Glance } from './glance.js';
import { HostPanel } from './host.js';
import { NodePicker } from './nodes.js';
import { ServerClock } from './clock.js';
import { Sightings } from './sightings.js';
import { Store, TOPICS } from './store.js';
import { Stream } from './stream.js';
import { TakPanel } from './tak.js';
import { problems } from './problems.js';
import { showHints } from './hint.js';

const byId = (id) => document.getElementById(id);

/** Shows the stream until the signal ends it. */
function start(signal) {
  const store = new Store();
  const clock = new ServerClock();
  const expected = new Expected();
  const glance = new Glance(byId('glance'), byId('icon'));
  const panels = {
    tak_status: new TakPanel({ tak: byId('tak'), users: byId('users'), inside: byId('inside') }, signal),
    system_metrics: new HostPanel(byId('host')),
    docker_status: new ContainersPanel({ containers: byId('containers'), drawer: byId('drawer'), confirm: byId('confirm') }, signal),
  };
  const sightings = new Map();
  const shown = {}; // The reading that each panel shows.
  let stream;
  let lostSince;
  let acted = false; // Something is being done to a container.
  let frame = 0;

  const picker = new NodePicker(byId('nodes'), { onPick: switchNode, signal });
  const badge = new Badge(byId('badge'), {
    onNow: () => stream.connect(),
    onSignIn: () => location.assign('login'),
    signal,
  });

  const account = new Account(byId('account'), signal);
  const events = new EventsPanel(byId('events'), { onChange: drawSoon, signal });

  const online = () => stream?.state === 'open';

  /** What is wrong with one machine, and since when. */
  function dated(node) {
    if (!sightings.has(node)) sightings.set(node, new Sightings());
    const view = store.view(node, clock.now());
    const found = problems(view, lostSince);
    return { view, problems: sightings.get(node).date(found, Object.keys(view.topics), view.now) };
  }

  /** The things that tick: ages, the badge, the glance card. */
  function tick() {
    if (!stream) return;
    const machines = store.nodes().map((node) => ({ node, ...dated(node) }));
    picker.show(machines.map(({ node, problems: { length } }) => ({ node, problems: length })));
    const { view, problems: found } = machines.find(({ node }) => node === picker.node) ?? dated();
    badge.show(stream, view);
    const calm = expected.verdict(Object.keys(view.topics));
    glance.show({ problems: found, calm, node: view.node, now: view.now });
    for (const topic of TOPICS) panels[topic].showState(view.topics[topic], online(), expected.topics.includes(topic));
    drawSoon(); // The users' and the events' ages.
  }

  function draw() {
    frame = 0;
    const { topics, now } = store.view(picker.node, clock.now());
    for (const topic of TOPICS) {
      const data = topics[topic]?.data;
      if (!data || shown[topic] === data) continue;
      shown[topic] = data;
      panels[topic].show(data, now);
    }
    if (acted) panels.docker_status.tick(now);
    acted = false;
    panels.tak_status.tick(now);
    events.show(store.nodes(), now);
  }

  function drawSoon() {
    frame ||= requestAnimationFrame(draw);
  }

  function switchNode() {
    for (const topic of TOPICS) {
      panels[topic].clear();
      // Drawn anew also when somebody switches back.
      delete shown[topic];
    }
    tick();
  }

  stream = new Stream({
    url: 'stream',
    topics: TOPICS,
    signal,
    onPing: ({ timestamp }) => clock.ping(timestamp),
    onEvent(topic, data) {
      clock.event(data.timestamp);
      const node = store.put(topic, data);
      if (node === picker.node) panels[topic].note?.(data);
      tick();
    },
    onOccurrence(event) {
      events.add(event, clock.now());
      if (!panels.docker_status.add(event)) return;
      acted = true;
      drawSoon();
    },
    onLagged: (data) => events.lag(data),
    onChange() {
      if (!stream) return;
      if (online()) {
        lostSince = undefined;
        // At each connection: the server may have been restarted with another configuration.
        expected.ask(signal).then(() => signal.aborted || tick());
        events.ask();
        account.ask();
      } else {
        store.interrupted();
        if (stream.state === 'signed-out') account.ask();
        lostSince ??= store.view(picker.node, clock.now()).newest;
      }
      tick();
    },
  });

  tick();
  const ticking = setInterval(tick, 1000);
  showHints(byId('hint'), signal);
  signal.addEventListener('abort', () => {
    clearInterval(ticking);
    cancelAnimationFrame(frame);
  });
}

// A page that is left lets go of its connection at once (browsers allow six a host), and one that
// comes back from the back-forward cache starts anew.
let life = new AbortController();
addEventListener('pagehide', () => life.abort());
addEventListener('pageshow', (event) => {
  if (!event.persisted) return;
  life = new AbortController();
  start(life.signal);
});
start(life.signal);
