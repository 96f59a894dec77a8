// The containers panel: one row each, by Compose project, sorted and picked out as somebody likes it.

import { Panel } from './panel.js';
import { ContainerDrawer } from './container-drawer.js';
import { Operations } from './operations.js';
import { Trails } from './container-trails.js';
import { createReason, follow, setAttribute, setPill, setText, stamp, updateReason } from './dom.js';
import { ORDERS, counts, found, grouped, sorted, summarise } from './container-list.js';
import { count } from './format.js';
import { hintsOf } from './container-figures.js';
import { remember, remembered } from './remembered.js';
import { headingAt, showGroups } from './container-groups.js';
import { turned } from './order.js';

/** From more containers than these on there is something to look for. */
const FEW = 5;

const LIKED = { column: 'attention', down: false, pick: 'all', text: '', projects: true, folded: [] };

export class ContainersPanel extends Panel {
  #data = {};
  #now;
  #trails = new Trails();
  #operations = new Operations();
  #liked = remembered('containers', LIKED);
  #drawer;
  #heads;
  #picks;

  /** The panel's `<section>` and its `<dialog>`s. */
  constructor({ containers, drawer, confirm }, signal) {
    super(containers);
    const { filter, sort, projects, table } = this.parts;
    this.#heads = [...containers.querySelectorAll('[data-sort]')];
    this.#picks = [...containers.querySelectorAll('[data-pick]')];
    const on = (part, type, act) => part.addEventListener(type, act, { signal });
    for (const button of this.#heads) on(button, 'click', () => this.#like(turned(this.#liked, button.dataset.sort, ORDERS)));
    for (const button of this.#picks) on(button, 'click', () => this.#like({ pick: button.dataset.pick }));
    on(filter, 'input', () => this.#like({ text: filter.value }));
    on(sort, 'change', () => this.#like({ column: sort.value, down: ORDERS[sort.value]?.down === true }));
    on(projects, 'click', () => this.#like({ projects: !this.#liked.projects }));
    on(table, 'click', (event) => this.#click(event));
    filter.value = this.#liked.text;
    this.#drawer = new ContainerDrawer(drawer, { confirm, onClosed: (id) => this.#focus(id), signal });
  }

  /** Another machine is shown from now on. */
  clear() {
    super.clear();
    this.#trails.clear();
    this.#drawer.leave();
  }

  /** Remembers a reading's figures, also of a tab that nobody looks at. */
  note(data) {
    this.#trails.note(data);
  }

  /** The stream has brought an event; answers whether it tells of an action, so that there is something to draw. */
  add({ type, data }) {
    return type === 'container_action' && this.#operations.take(data);
  }

  show(data, now) {
    this.#data = data;
    this.tick(now);
  }

  /** Draws what is to be drawn as of now. */
  tick(now) {
    this.#now = now;
    const { engine, containers, missing } = this.#data;
    const { about, hints, summary } = this.parts;
    const ok = engine?.status === 'ok' || engine?.status === undefined;
    this.showNotice(ok ? engine?.message : (engine.message ?? 'Docker cannot be read.'));
    const kind = engine?.flavor === 'podman' ? 'Podman' : 'Docker';
    setText(about, engine?.version ? `${kind} ${engine.version}` : '');
    follow(hints, hintsOf(missing), ({ key }) => key, createReason, updateReason);
    follow(summary, summarise(containers ?? []), (part) => part.word, () => stamp('pill'), (pill, part) => setPill(pill, part.kind, part.word));
    this.#draw(containers ?? [], ok, containers !== undefined);
    this.#drawer.show(this.#data, now, (id) => this.#operation(id));
  }

  #operation(id) {
    return this.#operations.of(this.#data.node, id, this.#now);
  }

  #draw(all, ok, known) {
    const { table, empty } = this.parts;
    const { column, down, pick, text, projects } = this.#liked;
    const hits = found(all, pick, text);
    this.#showTools(all, hits);
    table.hidden = hits.length === 0;
    empty.hidden = hits.length > 0 || !(ok || all.length > 0);
    setText(empty, all.length > 0 ? 'No container here matches this.' : known ? 'No containers on this machine.' : 'The list of containers is not known yet.');
    const order = sorted(hits, { column, down });
    const groups = projects ? grouped(order, { column }) : [{ name: '', containers: order }];
    // A row that is moved loses the focus of whoever is there with the keyboard.
    const active = document.activeElement;
    showGroups(table, groups, {
      headed: groups.length > 1 || groups[0]?.name > '',
      folded: (name) => this.#liked.folded.includes(name),
      tell: ({ id }) => ({ missing: this.#data.missing, now: this.#now, operation: this.#operation(id), lines: this.#trails.of(id) }),
    });
    if (active !== document.activeElement && active?.isConnected) active.focus({ preventScroll: true });
  }

  #showTools(all, hits) {
    const { find, found: told, sort, projects } = this.parts;
    const { column, down, pick, projects: by } = this.#liked;
    const less = hits.length < all.length;
    find.hidden = all.length <= FEW && !less;
    setText(told, less ? `${hits.length} of ${count(all.length, 'container')}` : '');
    const numbers = counts(all);
    for (const button of this.#picks) {
      const name = button.dataset.pick;
      setAttribute(button, 'aria-pressed', String(name === pick));
      setText(button.firstElementChild, String(numbers[name]));
    }
    if (sort.value !== column) sort.value = column;
    projects.hidden = all.every(({ project }) => !project);
    setAttribute(projects, 'aria-pressed', String(by));
    const direction = down ? 'descending' : 'ascending';
    for (const head of this.#heads) setAttribute(head.parentElement, 'aria-sort', head.dataset.sort === column ? direction : undefined);
  }

  #like(change) {
    Object.assign(this.#liked, change);
    remember('containers', this.#liked);
    this.tick(this.#now);
  }

  #fold(name) {
    const { folded } = this.#liked;
    this.#like({ folded: folded.includes(name) ? folded.filter((one) => one !== name) : [...folded, name] });
  }

  /** Somebody has clicked into the table. */
  #click(event) {
    const group = headingAt(event.target);
    if (group === undefined) this.#open(event);
    else this.#fold(group);
  }

  /** A tap on a dash wants to know why it is one. */
  #open(event) {
    const row = event.target.closest('tbody tr');
    if (!row?.one || (event.pointerType === 'touch' && event.target.closest('.unknown'))) return;
    event.preventDefault();
    row.parts.name.focus({ preventScroll: true });
    this.#drawer.open(row.one.id);
  }

  /** Whoever closes the drawer is where he was. */
  #focus(id) {
    if (!id) return;
    for (const row of this.parts.table.querySelectorAll('tr')) if (row.one?.id === id) row.parts.name.focus({ preventScroll: true });
  }
}
