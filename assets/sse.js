// Reads Server-Sent Events, by the rules of the WHATWG specification.
//
// Pure: text goes in as it comes, cut anywhere, and events come out. EventSource would do the same, but
// it hears only the types it was told of beforehand, and here scripts make up their own.

/**
 * A frame longer than this is none: a page must not fill the memory of a phone with what never ends.
 * Two hundred containers are a tenth of it.
 */
export const MAX_FRAME = 4 * 1024 * 1024;

export class SseParser {
  /** The last id heard, which outlives its event. */
  lastId = '';
  /** How long the server wants to be left alone after the end, in milliseconds. */
  retry;

  #line = ''; // The beginning of a line whose end has not come yet.
  #begun = false;
  #afterReturn = false;
  #frame = empty();
  #longest;

  constructor(longest = MAX_FRAME) {
    this.#longest = longest;
  }

  /**
   * Takes a piece of text; answers the events that it completes: `{type, data, id}`, without an `id`
   * where the event brought none of its own.
   *
   * Throws a RangeError at a frame without end.
   */
  feed(text) {
    const events = [];
    if (text === '') return events;
    let from = 0;
    if (!this.#begun) {
      this.#begun = true;
      if (text.startsWith('\ufeff')) from = 1;
    } else if (this.#afterReturn && text.startsWith('\n')) {
      from = 1; // The second half of a line's end that was cut in two.
    }
    this.#afterReturn = text.endsWith('\r');
    const ends = /\r\n|\r|\n/g;
    ends.lastIndex = from;
    for (let end; (end = ends.exec(text)); from = ends.lastIndex) {
      const line = this.#line + text.slice(from, end.index);
      this.#line = '';
      if (line !== '') this.#take(line);
      else this.#dispatch(events);
    }
    this.#line += text.slice(from);
    if (this.#frame.length + this.#line.length > this.#longest) throw new RangeError('an event without end');
    return events;
  }

  #take(line) {
    const colon = line.indexOf(':');
    if (colon === 0) return; // A comment.
    const field = colon < 0 ? line : line.slice(0, colon);
    let value = colon < 0 ? '' : line.slice(colon + 1);
    if (value.startsWith(' ')) value = value.slice(1);
    if (field === 'data') {
      this.#frame.data.push(value);
      this.#frame.length += value.length + 1;
    } else if (field === 'event') {
      this.#frame.type = value;
    } else if (field === 'id') {
      if (!value.includes('\0')) this.#frame.id = value;
    } else if (field === 'retry') {
      if (/^[0-9]+$/.test(value)) this.retry = Number(value);
    }
  }

  #dispatch(events) {
    const { type, data, id } = this.#frame;
    this.#frame = empty();
    if (id !== undefined) this.lastId = id;
    // An event without any data line is none; one with an empty line is.
    if (data.length > 0) events.push({ type: type || 'message', data: data.join('\n'), id });
  }
}

const empty = () => ({ type: '', data: [], length: 0, id: undefined });
