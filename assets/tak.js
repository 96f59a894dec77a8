// The TAK panel: what the box is for, and where it breaks; who is on and what the server tells of its
// inside have cards of their own beside it.

import { Certificates } from './certificates.js';
import { InsidePanel } from './inside.js';
import { Panel } from './panel.js';
import { UsersPanel } from './users.js';
import { fields, follow, setAttribute, setPill, setText, stamp } from './dom.js';
import { headline } from './user-list.js';
import { serverName } from './words.js';
import { showLayers } from './layers.js';
import { tells } from './inside-figures.js';

const STATUS = {
  healthy: { kind: 'ok', word: 'Healthy' },
  degraded: { kind: 'bad', word: 'Degraded' },
  down: { kind: 'bad', word: 'Down' },
  not_installed: { kind: 'idle', word: 'Not installed' },
};

const NOT_KNOWN = { kind: 'unknown', word: 'Not known' };

const NOT_INSTALLED =
  'No TAK server was found on this machine. If there is one, name it under [[collect.tak.servers]] in config.toml.';

export class TakPanel extends Panel {
  #certificates;
  #users;
  #inside;
  #cards;
  #stopped; // The time of a reading that is not believed any more.

  /** `sections`: `{tak, users, inside}`. */
  constructor({ tak, users, inside }, signal) {
    super(tak);
    this.#certificates = new Certificates(this.parts, signal);
    this.#users = new UsersPanel(users, signal);
    this.#inside = new InsidePanel(inside);
    // Each with whether it has anything to show.
    this.#cards = new Map([this.#users, this.#inside].map((card) => [card, false]));
  }

  showState(reading, online, enabled) {
    super.showState(reading, online, enabled);
    for (const card of this.#cards.keys()) card.showState(reading, online, enabled);
    this.#hide(!reading);
    this.#stopped = reading && (reading.stale || !online) ? reading.data.timestamp : undefined;
  }

  clear() {
    super.clear();
    this.#users.clear();
    this.#inside.clear();
  }

  show(data, now) {
    const { status, flavor, version, certificates, clients, message } = data;
    const { about, pill, servers: list, notice } = this.parts;
    const { kind, word } = STATUS[status] ?? NOT_KNOWN;
    setPill(pill, kind, word);
    const blocks = serverBlocks(data);
    const several = blocks.length > 1;
    setText(about, several ? `${blocks.length} servers` : serverName(flavor, version));
    const said = message ?? (status === 'not_installed' ? NOT_INSTALLED : undefined);
    this.showNotice(said);
    setAttribute(notice, 'data-kind', kind);
    follow(list, blocks, ({ name }) => name, createServer, (block, server) => updateServer(block, server, several, said));
    this.#certificates.show(certificates, status === 'not_installed');

    this.#cards.set(this.#users, status !== 'not_installed' || clients !== undefined);
    this.#users.show(clients, several, now);
    const insides = blocks.filter(({ inside }) => tells(inside));
    this.#cards.set(this.#inside, insides.length > 0);
    this.#inside.show(insides, several);
    this.#hide(false);
  }

  /**
   * What ticks: ages, by the server's clock. Those of an old reading stay what they were then: who has
   * reported since is not known.
   */
  tick(now) {
    this.#users.tick(this.#stopped ?? now);
  }

  #hide(all) {
    for (const [card, worth] of this.#cards) card.section.hidden = all || !worth;
  }
}

/** `[{server, checks}]` in the order of the report. Pure. */
export function byServer(checks) {
  const groups = new Map();
  for (const check of checks) {
    const server = check.server ?? '';
    if (!groups.has(server)) groups.set(server, []);
    groups.get(server).push(check);
  }
  return [...groups].map(([server, members]) => ({ server, checks: members }));
}

/** Each server with all that is told of it: `[{name, checks, inside?, told?}]`. Pure. */
export function serverBlocks({ checks, servers, server: inside }) {
  const groups = byServer(checks ?? []).map((group) => ({ name: group.server, checks: group.checks }));
  if (!servers?.length) return groups.length > 1 ? groups : [{ name: '', checks: [], ...groups[0], inside }];
  const named = servers.map((told) => {
    const checked = groups.find(({ name }) => name === told.name)?.checks ?? [];
    return { name: told.name, checks: checked, inside: told.server, told };
  });
  return [...named, ...groups.filter(({ name }) => !servers.some((told) => told.name === name))];
}

function createServer() {
  const block = stamp('server');
  block.parts = fields(block);
  return block;
}

function updateServer(block, { name, checks, told }, several, said) {
  const { head, name: title, pill, about, message } = block.parts;
  head.hidden = !several;
  setText(title, name || 'This machine');
  pill.hidden = !told;
  const { kind, word } = STATUS[told?.status] ?? NOT_KNOWN;
  setPill(pill, kind, word);
  const figures = told && headline(told).about;
  setText(about, [told && serverName(told.flavor, told.version), figures].filter(Boolean).join(', '));
  // The worst one's sentence stands above all of them, with its name.
  const own = told?.message;
  const above = said === own || said === `${name}: ${own}`;
  message.hidden = !own || above;
  setText(message, own ?? '');
  showLayers(block.parts, checks, [said, own, said?.startsWith(`${name}: `) ? said.slice(name.length + 2) : undefined]);
}
