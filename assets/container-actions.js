// Starts, stops and restarts a container, once somebody has said that this is meant.

import { actionName } from './operations.js';
import { ask } from './ask.js';
import { fields, setText } from './dom.js';
import { sentence } from './format.js';

const MEANS = {
  start: (name) => `Docker will start ${name}.`,
  stop: (name) => `${name} is asked to end, and killed when it has not within its own time (customarily 10 s). It stays stopped until somebody starts it.`,
  restart: (name) => `${name} is asked to end, killed when it has not within its own time (customarily 10 s), and started again.`,
};

/** Where the server does not say more; it wants a confirmation also while it does not know whose the container is. */
const TAK = 'It belongs, or may belong, to the TAK server: everybody who is on may be cut off.';

/** Nobody is cut off by a start. */
const wantsName = (action, { confirm }) => confirm === true && action !== 'start';

/** What an action means for the container with these details, in sentences. */
export function meaningOf(action, details) {
  const { name, confirm_message: message } = details;
  const warning = wantsName(action, details) ? message?.replace(/[^.!?]$/, '$&.') || TAK : undefined;
  return [MEANS[action]?.(name), warning].filter(Boolean).join(' ');
}

export class ContainerActions {
  #buttons;
  #dialog;
  #parts;
  #target = {};
  #action;
  #asked = 0; // So many questions have been asked or given up: an answer to an older one is nobody's any more.
  #signal;

  /** `row` holds the buttons, each marked with its `data-action`. */
  constructor(row, dialog, signal) {
    this.#buttons = [...row.querySelectorAll('[data-action]')];
    this.#dialog = dialog;
    this.#parts = fields(dialog);
    this.#signal = signal;
    const { form, cancel, typed } = this.#parts;
    const on = (part, type, act) => part.addEventListener(type, act, { signal });
    for (const button of this.#buttons) on(button, 'click', () => this.#confirm(button.dataset.action));
    on(cancel, 'click', () => dialog.close());
    on(dialog, 'close', () => {
      this.#asked += 1;
    });
    on(typed, 'input', () => this.#check());
    on(form, 'submit', (event) => {
      event.preventDefault();
      this.#send();
    });
  }

  /** `{id, name, actions, confirm, confirm_message, busy}`: those that may be done now; none while one is under way. */
  show(target) {
    this.#target = target;
    const { actions = [], busy } = target;
    for (const button of this.#buttons) {
      button.hidden = !actions.includes(button.dataset.action);
      button.disabled = busy === true;
    }
  }

  /** Nobody is asked any more. */
  close() {
    this.#dialog.close();
  }

  #confirm(action) {
    this.#action = action;
    this.#asked += 1;
    const { title, what, go } = this.#parts;
    setText(title, `${actionName(action)} ${this.#target.name}?`);
    setText(what, meaningOf(action, this.#target));
    setText(go, actionName(action));
    this.#blame(undefined);
    this.#wantName(wantsName(action, this.#target));
    this.#dialog.showModal();
  }

  /** What must not happen by mistake wants the name typed. */
  #wantName(wanted) {
    const { typedBox, typed, name } = this.#parts;
    typedBox.hidden = !wanted;
    typed.value = '';
    setText(name, this.#target.name);
    this.#check();
  }

  #check() {
    const { typedBox, typed, go } = this.#parts;
    go.disabled = !typedBox.hidden && typed.value.trim() !== this.#target.name;
  }

  #blame(message) {
    this.#parts.fault.hidden = !message;
    setText(this.#parts.fault, sentence(message) ?? '');
  }

  async #send() {
    const asked = this.#asked;
    const isMeant = () => asked === this.#asked && !this.#signal.aborted;
    this.#parts.go.disabled = true;
    this.#blame(undefined);
    try {
      const answer = await this.#order(isMeant);
      if (!isMeant()) return;
      // How it goes on is told to everybody, by the stream.
      if (answer) return this.#dialog.close();
      this.#blame('You are signed out: sign in again.');
    } catch (error) {
      if (!isMeant()) return;
      this.#blame(error.message);
      if (error.code === 'confirmation_required') return this.#wantName(true);
    }
    this.#check();
  }

  /** Sends it, unless it is given up first. Somebody may have signed in anew since the last time. */
  async #order(isMeant) {
    const { id, name } = this.#target;
    const body = JSON.stringify({ action: this.#action, confirm: this.#parts.typedBox.hidden ? undefined : name });
    const session = await ask('api/session', { signal: this.#signal });
    if (!session || !isMeant()) return undefined;
    const headers = { 'Content-Type': 'application/json', ...(session.csrf && { 'X-CSRF-Token': session.csrf }) };
    return ask(`api/containers/${encodeURIComponent(id)}/actions`, { method: 'POST', headers, body, signal: this.#signal });
  }
}
