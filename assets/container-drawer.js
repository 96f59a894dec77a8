// The drawer: one container's facts, its log, and what can be done to it.
//
// Which one is open stands in the address (`#container=<id>`), so that the browser's way back closes it, and
// the address can be handed on.

import { ContainerActions } from './container-actions.js';
import { ContainerDetails } from './container-details.js';
import { ContainerLog } from './container-log.js';
import { createReason, fields, follow, setAttribute, setIcon, setPill, setText, setValue, stamp, updateReason } from './dom.js';
import { factsOf, probesOf } from './container-facts.js';
import { noteOf } from './container-problems.js';
import { sentence } from './format.js';
import { stateOf } from './container-list.js';

const FORBIDDEN = 'Only administrators may see logs, as secrets may stand in them. Ask one, or sign in as one.';

const hashId = () => /^#container=([\w.-]+)$/.exec(location.hash)?.[1];

export class ContainerDrawer {
  #dialog;
  #parts;
  #log;
  #actions;
  #look; // The container that is looked at: `{id, life, details, seen, admitted, chosen, left}`.
  #pressed = false; // The pointer went down beside the drawer.
  #latest = {};

  constructor(dialog, { confirm, onClosed, signal }) {
    this.#dialog = dialog;
    this.#parts = fields(dialog);
    this.onClosed = onClosed;
    this.#log = new ContainerLog(dialog, signal);
    this.#actions = new ContainerActions(dialog, confirm, signal);
    const on = (part, type, act) => part.addEventListener(type, act, { signal });
    on(this.#parts.close, 'click', () => this.leave());
    on(dialog, 'cancel', (event) => {
      event.preventDefault();
      this.leave();
    });
    // Beside it, and where a browser closes it whatever is said. Who marks a line of the log may end up beside it.
    on(dialog, 'pointerdown', ({ target }) => {
      this.#pressed = target === dialog;
    });
    on(dialog, 'click', ({ target }) => target === dialog && this.#pressed && this.leave());
    on(dialog, 'close', () => this.#look && !dialog.open && this.leave());
    for (const button of dialog.querySelectorAll('[data-view]')) on(button, 'click', () => this.#choose(button.dataset.view));
    on(window, 'popstate', () => this.#follow());
    signal.addEventListener('abort', () => this.#hide());
    this.#follow();
  }

  /** Opens it; the way back closes it. */
  open(id) {
    history.pushState({ container: id }, '', `#container=${id}`);
    this.#follow();
  }

  /** Closes it, if it is open. */
  leave() {
    const look = this.#look;
    // The way back takes a moment, and somebody may ask twice for it.
    if (!look || look.left) return;
    look.left = true;
    if (history.state?.container) return history.back();
    history.replaceState(null, '', location.pathname + location.search);
    this.#follow();
  }

  /** Takes a `docker_status` reading; `operationOf(id)` tells what is being done (see operations.js). */
  show(data, now, operationOf) {
    this.#latest = { data, now, operationOf };
    const look = this.#look;
    if (!look) return;
    const seen = this.#seen(look);
    if (look.seen === seen) {
      look.details.retry();
    } else {
      look.details.load();
      if (this.#one(look)?.running) this.#log.revive();
    }
    look.seen = seen;
    this.#draw(look);
  }

  /** As long as this stays the same, so do the details. */
  #seen(look) {
    const one = this.#one(look);
    const operation = this.#latest.operationOf?.(one?.id ?? look.id);
    return JSON.stringify([one?.state, one?.started_at, one?.health, one?.restart_count, operation?.state]);
  }

  #one({ id }) {
    return this.#latest.data?.containers?.find((one) => one.id === id || id.startsWith(one.id) || one.name === id);
  }

  /** Does what the address says. */
  #follow() {
    const id = hashId();
    if (id === this.#look?.id) return;
    this.#hide();
    if (!id) return;
    const look = { id, life: new AbortController() };
    const { signal } = look.life;
    look.details = new ContainerDetails(id, { signal, onSession: () => this.#admit(look), onChange: () => this.#draw(look) });
    look.seen = this.#seen(look);
    this.#look = look;
    this.#view('facts');
    this.#dialog.showModal();
    this.#draw(look);
    look.details.load();
  }

  #hide() {
    const look = this.#look;
    this.#look = undefined;
    look?.life.abort();
    this.#log.close();
    this.#actions.close();
    if (this.#dialog.open) this.#dialog.close();
    if (look) this.onClosed(this.#one(look)?.id);
  }

  /** Opens the log to whoever may read it. */
  #admit(look) {
    if (look.admitted) return;
    look.admitted = true;
    const may = look.details.session.role !== 'viewer';
    const { logBox, forbidden } = this.#parts;
    logBox.hidden = !may;
    forbidden.hidden = may;
    setText(forbidden, FORBIDDEN);
    if (!may) return;
    this.#log.open(look.id, this.#one(look)?.name ?? look.id);
    if (!look.chosen) this.#view('log');
  }

  /** Somebody wants to see this, and nothing else until he says so. */
  #choose(view) {
    if (this.#look) this.#look.chosen = true;
    this.#view(view);
  }

  #view(view) {
    setAttribute(this.#dialog, 'data-view', view);
    for (const button of this.#dialog.querySelectorAll('button')) {
      if (button.dataset.view) setAttribute(button, 'aria-pressed', String(button.dataset.view === view));
    }
    this.#log.drawSoon();
  }

  #draw(look) {
    const { name, facts, probes, probeBox, fault } = this.#parts;
    const { data, now, operationOf } = this.#latest;
    const { told: details, fault: why } = look.details;
    const one = this.#one(look);
    const operation = operationOf?.(one?.id ?? look.id);
    setText(name, one?.name ?? details?.name ?? look.id);
    this.#drawState(one, operation);
    setText(fault, sentence(why) ?? '');
    fault.hidden = !why;
    this.#actions.show({ ...details, id: look.id, busy: operation?.state === 'in_progress' });
    follow(facts, factsOf(one, details, data?.missing, now), (fact) => fact.name, createFact, updateFact);
    const found = probesOf(details);
    probeBox.hidden = found.length === 0;
    follow(probes, found, ({ key }) => key, createReason, updateReason);
  }

  #drawState(one, operation) {
    const { state, note, noteIcon, noteText } = this.#parts;
    const absent = this.#latest.data?.containers ? { kind: 'idle', word: 'not there' } : { kind: 'unknown', word: 'not known' };
    const { kind, word } = one ? stateOf(one) : absent;
    setPill(state, operation?.doing ? 'idle' : kind, operation?.doing ?? word, one?.status);
    const said = operation ?? (one && noteOf(one));
    note.hidden = !said;
    if (!said) return;
    setAttribute(note, 'data-kind', said.kind);
    setIcon(noteIcon, said.kind);
    setText(noteText, said.text);
  }
}

function createFact() {
  const row = stamp('fact');
  row.parts = fields(row);
  return row;
}

function updateFact(row, { name, value, why, kind, title }) {
  setText(row.parts.name, name);
  setValue(row.parts.value, value, why, title);
  setAttribute(row, 'data-kind', kind);
}
