/** Text of guests, made harmless: what would move a cursor, ring a bell or hide text is shown, not obeyed. */

// eslint-disable-next-line no-control-regex -- these are the characters that this is about
const COLOUR = /\u001b\[[\d;]*[A-Za-z]/g;
// eslint-disable-next-line no-control-regex -- as above
const CONTROL = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g;

/** Longest text that is shown whole. */
export const LIMIT = 1 << 20;

/** Plain text. */
export function plain(text: string): string {
  return text
    .replace(COLOUR, '')
    .replaceAll('\r\n', '\n')
    .replace(CONTROL, (c) => `<${c.charCodeAt(0).toString(16).padStart(2, '0')}>`);
}

/** At most `LIMIT` characters, with a word about the rest. */
export function bounded(text: string): string {
  return text.length <= LIMIT ? text : `${text.slice(0, LIMIT)}\n… ${text.length - LIMIT} more characters are not shown`;
}
