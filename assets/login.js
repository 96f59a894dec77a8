// Signs somebody in.
//
// On its own, without imports: nothing else of the dashboard is served to those who aren't signed in.

/** How long to wait where the server doesn't say. */
const WAIT_SECONDS = 5;

const UNREACHABLE = 'takpulse cannot be reached. Check the connection, then try again.';

const NO_COOKIE =
  'The password is right, but this browser did not keep the cookie. Allow cookies for this address; if it begins with http, try https.';

export class SignIn {
  #parts;
  #timer;

  /** `parts` are the form and its parts, by name. */
  constructor(parts) {
    this.#parts = parts;
    const { form, password, reveal } = parts;
    form.addEventListener('submit', (event) => {
      event.preventDefault();
      this.#submit();
    });
    reveal.addEventListener('click', () => {
      this.#reveal(password.type === 'password');
      password.focus();
    });
  }

  /**
   * Somebody who followed a link from another site is signed in already: the cookie just wasn't sent
   * along. And a certificate may have been refused, for a reason that should be known.
   */
  async look() {
    try {
      const { status, by, error } = await request('api/session');
      // Whoever is known by a certificate has come here to be somebody else.
      if (status === 200 && by !== 'certificate') location.replace('./');
      else if (['certificate_refused', 'no_role'].includes(error?.code)) this.#say(error.message);
    } catch {
      // Whoever signs in will see.
    }
  }

  async #submit() {
    const { user, password, button } = this.#parts;
    if (button.disabled) return;
    button.disabled = true;
    button.textContent = 'Signing in…';
    // As a password again: password managers look for one, and so do people behind.
    this.#reveal(false);
    try {
      const answer = await request('api/login', {
        method: 'POST',
        headers: { 'Content-Type': 'application/json' },
        body: JSON.stringify({ user: user.value, password: password.value }),
      });
      if (answer.status === 200) return await this.#enter();
      this.#refused(answer);
    } catch {
      this.#say(UNREACHABLE);
      this.#ready();
    }
  }

  /** Only with the cookie does the way lead in; without it, it would lead back here without a word. */
  async #enter() {
    if ((await request('api/session')).status !== 401) return location.replace('./');
    this.#say(NO_COOKIE);
    this.#ready();
  }

  #refused({ status, error, retryAfter }) {
    this.#say(error?.message ?? `The server answered ${status}. Try again; its log says more.`);
    if (status === 429 || status === 503) return this.#wait(retryAfter > 0 ? retryAfter : WAIT_SECONDS);
    this.#ready();
    if (status !== 401) return;
    this.#parts.password.focus();
    this.#parts.password.select();
  }

  /** Counts down on the button; by the clock, as timers stop while a phone sleeps. */
  #wait(seconds) {
    const until = Date.now() + seconds * 1000;
    const count = () => {
      const left = Math.ceil((until - Date.now()) / 1000);
      if (left <= 0) {
        clearInterval(this.#timer);
        return this.#ready();
      }
      this.#parts.button.textContent = `Try again in ${left} s`;
    };
    clearInterval(this.#timer);
    this.#timer = setInterval(count, 250);
    count();
  }

  #ready() {
    const { button } = this.#parts;
    button.disabled = false;
    button.textContent = 'Sign in';
  }

  #say(message) {
    const { fault, message: line } = this.#parts;
    // Taken away first, so that the same words twice are read out twice.
    line.textContent = '';
    fault.hidden = false;
    line.textContent = message;
  }

  #reveal(shown) {
    const { password, reveal } = this.#parts;
    password.type = shown ? 'text' : 'password';
    reveal.textContent = shown ? 'Hide' : 'Show';
    reveal.setAttribute('aria-label', shown ? 'Hide the password' : 'Show the password');
  }
}

/** `{status, error, retryAfter}` of an answer; `error` as the server words it. */
async function request(path, options) {
  const answer = await fetch(new URL(path, document.baseURI), { cache: 'no-store', ...options });
  const body = await answer.json().catch(() => undefined);
  return { status: answer.status, by: body?.by, error: body?.error, retryAfter: Number(answer.headers.get('Retry-After')) };
}

// Not where it is tested.
if (globalThis.document?.forms) {
  const parts = {};
  for (const part of document.querySelectorAll('[data-field]')) parts[part.dataset.field] = part;
  new SignIn(parts).look();
}
