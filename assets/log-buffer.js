// The lines of a log that this page holds: those that are shown, and those that wait while somebody reads.
//
// Pure. Both are bounded. A pause loses nothing: when as many wait as may, nothing more is asked for until
// somebody goes on.

/** As many lines as are kept. */
export const MOST = 5000;

/** As many letters: a line may be of 16 KiB, and a phone has better use for its memory. */
export const MOST_LETTERS = 4_000_000;

/** So many of the oldest go at once: making room line by line would cost as much each time. */
const ROOM = 250;

export class LogBuffer {
  #lines = [];
  #waiting = [];
  #letters = 0; // Of the lines.
  #waitingLetters = 0;
  #drawn = 0; // How many of the lines the page shows.
  #gone = 0; // How many of the lines that the page shows are none any more.
  #most;
  #mostLetters;

  /** Somebody has stopped the log. */
  paused = false;
  /** Somebody looks at older lines: these stay where they are. */
  away = false;
  /** Older lines have been let go. */
  forgot = false;

  constructor(most = MOST, mostLetters = MOST_LETTERS) {
    this.#most = most;
    this.#mostLetters = mostLetters;
  }

  add(line) {
    if (this.paused || this.#waiting.length > 0 || (this.away && !this.#fits(line))) this.#wait(line);
    else this.#keep(line);
  }

  /** Goes on with what has waited, unless something still holds it. */
  release() {
    if (this.paused || this.away) return;
    const waited = this.#waiting;
    this.#waiting = [];
    this.#waitingLetters = 0;
    for (const line of waited) this.#keep(line);
  }

  /** No more should be asked for. */
  get full() {
    return this.#waiting.length >= this.#most || this.#waitingLetters >= this.#mostLetters;
  }

  get waiting() {
    return this.#waiting.length;
  }

  get length() {
    return this.#lines.length;
  }

  /** What is shown, oldest first. */
  get lines() {
    return this.#lines;
  }

  /** What the page has to do: take away so many of its first lines, and add these at its end. */
  changes() {
    const change = { gone: this.#gone, fresh: this.#lines.slice(this.#drawn) };
    this.#gone = 0;
    this.#drawn = this.#lines.length;
    return change;
  }

  #fits(line) {
    return this.#lines.length < this.#most && this.#letters + lettersOf(line) <= this.#mostLetters;
  }

  #wait(line) {
    this.#waiting.push(line);
    this.#waitingLetters += lettersOf(line);
  }

  #keep(line) {
    const fits = this.#fits(line);
    this.#lines.push(line);
    this.#letters += lettersOf(line);
    if (!fits) this.#makeRoom();
  }

  #makeRoom() {
    const lines = this.#most + 1 - Math.min(ROOM, Math.ceil(this.#most / 20));
    const letters = this.#mostLetters * 0.95;
    let room = 0;
    while (this.#lines.length - room > lines || this.#letters > letters) this.#letters -= lettersOf(this.#lines[room++]);
    this.#lines.splice(0, room);
    const seen = Math.min(room, this.#drawn);
    this.#drawn -= seen;
    this.#gone += seen;
    this.forgot = true;
  }
}

const lettersOf = ({ text, note }) => String(note ?? text ?? '').length;
