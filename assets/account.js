// Who is signed in, and the way out.
//
// The token that proves a request to be the page's own is asked for when it is needed, and kept nowhere.

import { ask } from './ask.js';
import { fields, setText } from './dom.js';

const ROLES = { admin: 'administrator', viewer: 'viewer: may look, and change nothing' };

const MEANS = {
  certificate: 'By a certificate, so there is nothing to sign out of: close the browser, take the certificate out of it, or be somebody else.',
  token: 'By a token, so there is nothing to sign out of.',
};

export class Account {
  #menu;
  #parts;
  #signal;

  /** `menu` is the `<details>` in the bar. */
  constructor(menu, signal) {
    this.#menu = menu;
    this.#parts = fields(menu);
    this.#signal = signal;
    this.#parts.out.addEventListener('click', () => this.#signOut(), { signal });
    const close = (event) => {
      if (event.key === 'Escape' && menu.open) this.#parts.summary.focus();
      if (event.key === 'Escape' || (event.type === 'click' && !menu.contains(event.target))) menu.open = false;
    };
    document.addEventListener('click', close, { signal });
    document.addEventListener('keydown', close, { signal });
  }

  /** Asks the server who this is: at each connection, as somebody may have signed in anew. */
  async ask() {
    let session;
    try {
      session = await this.#session();
    } catch {
      return; // No answer; who it was stands.
    }
    this.#menu.hidden = !session;
    if (!session) return;
    const { name, who, means, out, other } = this.#parts;
    const { user, role, by } = session;
    setText(name, user);
    setText(who, `${user}, ${ROLES[role] ?? role}`);
    setText(means, MEANS[by] ?? '');
    means.hidden = !MEANS[by];
    out.hidden = by !== 'password';
    other.hidden = by !== 'certificate';
  }

  async #signOut() {
    const { out, fault } = this.#parts;
    out.disabled = true;
    fault.hidden = true;
    try {
      const session = await this.#session();
      if (session) await ask('api/logout', { method: 'POST', headers: { 'X-CSRF-Token': session.csrf }, signal: this.#signal });
      location.assign('login');
    } catch (error) {
      if (this.#signal.aborted) return;
      setText(fault, `Not signed out: ${error.message}`);
      fault.hidden = false;
    }
    out.disabled = false;
  }

  #session() {
    return ask('api/session', { signal: this.#signal });
  }
}
