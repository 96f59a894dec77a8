// The users card: who is on, how many, and how far that can be believed.
//
// Five hundred rows must stay smooth: a row stays the same element as long as its user is on, only
// what changed is written, and few rows are shown until all are wanted.

import { Panel } from './panel.js';
import { createReason, fields, follow, setAttribute, setText, setValue, stamp, updateReason } from './dom.js';
import { ago, count, day, percent, spanShort, timeOfDay } from './format.js';
import { emptiness, footnotes, headline, keyOf, matching, nameOf, sorted, turned } from './user-list.js';

/** As many rows are shown at first; from more users than FEW on there is something to filter. */
const ROWS = 20;
const FEW = 10;

export class UsersPanel extends Panel {
  #clients;
  #several = false;
  #order = { column: 'callsign', down: false };
  #whole = false;
  #now;
  #heads;

  constructor(section, signal) {
    super(section);
    const { filter, more } = this.parts;
    this.#heads = [...section.querySelectorAll('[data-sort]')];
    for (const button of this.#heads) {
      const sort = () => {
        this.#order = turned(this.#order, button.dataset.sort);
        this.#draw();
      };
      button.addEventListener('click', sort, { signal });
    }
    filter.addEventListener('input', () => this.#draw(), { signal });
    const toggle = () => {
      this.#whole = !this.#whole;
      this.#draw();
    };
    more.addEventListener('click', toggle, { signal });
  }

  /** Another machine is shown from now on: nobody there answers to this filter. */
  clear() {
    super.clear();
    this.parts.filter.value = '';
  }

  /** Takes `clients` of a report; `several` when more than one server is watched. */
  show(clients, several, now) {
    this.#clients = clients;
    this.#several = several;
    this.#now = now;
    const { on, about, notes } = this.parts;
    const { on: number, about: figures, why } = headline(clients);
    setValue(on, number, why);
    on.classList.toggle('dim', number === undefined);
    setText(about, figures);
    // A dash wants its reason, and there is room for it.
    this.showNotice(clients?.message ?? (number === undefined ? why?.split('\n')[0] : undefined));
    follow(notes, footnotes(clients), ({ key }) => key, createReason, updateReason);
    this.#draw();
  }

  /** The ages go on; of a reading that is old they stay what they were. */
  tick(now) {
    this.#now = now;
    for (const row of this.parts.rows.children) showAges(row, now);
  }

  #draw() {
    const { filter, find, found, table, rows, more, empty, serverHead } = this.parts;
    const all = this.#clients?.list ?? [];
    find.hidden = all.length <= FEW && filter.value === '';
    const hits = matching(all, filter.value);
    setText(found, filter.value.trim() === '' ? '' : `${hits.length} of ${count(all.length, 'user')}`);
    const nothing = hits.length === 0 && all.length > 0 ? 'Nobody here matches this.' : emptiness(this.#clients);
    empty.hidden = nothing === undefined;
    setText(empty, nothing ?? '');
    table.hidden = hits.length === 0;
    serverHead.hidden = !this.#several;
    const shown = sorted(hits, this.#order).slice(0, this.#whole ? Infinity : ROWS);
    follow(rows, shown, keyOf, createRow, (row, user) => updateRow(row, user, this.#several, this.#now));
    more.hidden = hits.length <= ROWS;
    setText(more, this.#whole ? 'Show fewer' : `Show all ${hits.length}`);
    setAttribute(more, 'aria-expanded', String(this.#whole));
    const { column, down } = this.#order;
    for (const button of this.#heads) {
      const direction = down ? 'descending' : 'ascending';
      setAttribute(button.parentElement, 'aria-sort', button.dataset.sort === column ? direction : undefined);
    }
  }
}

function createRow() {
  const row = stamp('user');
  row.parts = fields(row);
  return row;
}

const WHY = 'The server does not tell it.';

function updateRow(row, user, several, now) {
  const { callsign, links, server, team, role, software, address, battery } = row.parts;
  row.user = user;
  setValue(callsign, nameOf(user), 'This user has not said who it is.', titleOf(user));
  setText(links, user.connections > 1 ? count(user.connections, 'connection') : '');
  server.hidden = !several;
  setValue(server, user.server, WHY, user.server);
  setValue(team, user.team || undefined, WHY, user.team);
  setAttribute(team, 'data-team', user.team?.toLowerCase());
  setValue(role, user.role || undefined, WHY, user.role);
  setValue(software, user.software || undefined, WHY, user.software);
  setValue(address, user.address || undefined, WHY, user.address);
  setValue(battery, percent(user.battery_percent), WHY);
  showAges(row, now);
}

function showAges(row, now) {
  const { last_report: last, since: start } = row.user;
  const age = (time) => (now !== undefined && Number.isFinite(time) ? now - time : undefined);
  const [silent, connected] = [ago(age(last)), spanShort(age(start))];
  // Asked of every row each second: most of them say what they said before.
  const said = `${silent} ${connected} ${last} ${start}`;
  if (row.said === said) return;
  row.said = said;
  setValue(row.parts.report, silent, 'When it last reported is not known.', last && `at ${timeOfDay(last)}`);
  setValue(row.parts.since, connected, 'Since when it is connected is not known.', start && `since ${timeOfDay(start)}, ${day(start)}`);
}

/** All that may not fit into the row. */
function titleOf({ callsign, username, uid, team, role, software, address, server }) {
  const known = { user: username, uid, team, role, software, address, server };
  const lines = Object.entries(known).map(([name, value]) => value && `${name}: ${value}`);
  return [callsign, ...lines].filter(Boolean).join('\n');
}
