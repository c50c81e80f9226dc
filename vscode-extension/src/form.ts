/** The form of a call, made from the function's JSON Schema. Pure: the page draws it, the tests read it. */

import type { Json } from './protocol';

type Fields = { [key: string]: Json };

/** One argument, or a part of one. */
export interface Field {
  name: string;
  kind: 'text' | 'integer' | 'number' | 'flag' | 'choice' | 'json' | 'group' | 'list';
  required: boolean;
  /** What it takes, for people. */
  about: string;
  /** What it takes, where that is one of a few. */
  choices: Json[];
  /** What it is when nobody says. */
  preset: Json | undefined;
  /** `null` is allowed: what an empty field means. */
  nullable: boolean;
  /** The fields of a group; what each item of a list is. */
  parts: Field[];
}

/** What stands in a field: a text, JSON too; of a group its fields, of a list its items; nothing where it is left out. */
export type Entry = string | Entry[] | Entries | undefined;
export interface Entries {
  [name: string]: Entry;
}

const fields = (value: Json | undefined): Fields => (value !== null && typeof value === 'object' && !Array.isArray(value) ? value : {});
const list = (value: Json | undefined): Json[] => (Array.isArray(value) ? value : []);
/** A value as a field shows it. */
export const shown = (value: Json): string => (typeof value === 'string' ? value : JSON.stringify(value));

/** The arguments of a schema; `undefined` where there is none, and the arguments are to be given as JSON. */
export function fieldsOf(schema: Json | undefined): Field[] | undefined {
  if (schema === undefined || fields(schema)['type'] !== 'object') {
    return undefined;
  }
  const required = list(fields(schema)['required']);
  const properties = Object.entries(fields(fields(schema)['properties']));
  // Canonical JSON sorts names; those that are needed are listed as they are written, and stand in front.
  const place = (name: string): number => (required.includes(name) ? required.indexOf(name) : required.length);
  properties.sort(([a], [b]) => place(a) - place(b));
  return properties.map(([name, one]) => field(name, fields(one), required.includes(name)));
}

const KINDS: Record<string, Field['kind']> = { string: 'text', integer: 'integer', number: 'number', boolean: 'flag' };
const WORDS: Record<Field['kind'], string> = { text: 'text', integer: 'a whole number', number: 'a number', flag: 'yes or no', choice: 'one of these', json: 'JSON; text in quotes', group: '', list: 'a list' };

function field(name: string, given: Fields, required: boolean): Field {
  const members = list(given['anyOf']).map(fields);
  const others = members.filter((one) => one['type'] !== 'null');
  const nullable = others.length < members.length;
  const schema = nullable && others.length === 1 && others[0] ? others[0] : given;
  const made = { name, required, choices: list(schema['enum']), preset: given['default'], nullable, parts: [] as Field[] };
  const as = (kind: Field['kind'], words = WORDS[kind]): Field => ({ ...made, kind, about: [words, ...(required ? [] : ['optional'])].filter(Boolean).join(', ') });
  const simple = KINDS[typeof schema['type'] === 'string' ? schema['type'] : ''];
  if (made.choices.length > 0) {
    return as('choice');
  }
  if (simple === 'flag' && nullable) {
    made.choices = [true, false]; // A box knows no third state.
    return as('choice', WORDS.flag);
  }
  if (simple !== undefined) {
    return as(simple);
  }
  if (schema['type'] === 'array') {
    const item = field('', fields(schema['items']), true);
    return item.kind === 'json' && item.about === WORDS.json ? as('json', 'a JSON list') : { ...as('list'), parts: [item] };
  }
  if (schema['type'] === 'object') {
    const parts = schema['additionalProperties'] === false ? fieldsOf(schema) : undefined;
    return parts ? { ...as('group'), parts } : as('json', 'a JSON object');
  }
  return as('json');
}

/** Beyond this, items are shown as JSON. */
const MANY = 100;

const always = (one: Field): boolean => one.required && !one.nullable;

/** What a field shows for a value; for none it is left out, where that is allowed. Of more than `many` items, JSON. */
export function entryOf(one: Field, value: Json | undefined, many = MANY): Entry {
  const none = value === undefined || (value === null && one.nullable);
  switch (one.kind) {
    case 'group':
      return typeof value === 'object' && value !== null && !Array.isArray(value) ? filled(one.parts, value) : always(one) ? filled(one.parts, undefined) : undefined;
    case 'list': {
      const [item] = one.parts;
      if (!Array.isArray(value) || !item) {
        return always(one) ? [] : undefined;
      }
      return value.length > many ? JSON.stringify(value) : value.map((each) => entryOf(item, each));
    }
    case 'flag':
      return String(value === true);
    case 'choice':
    case 'json':
      return none ? '' : JSON.stringify(value);
    default:
      return value === undefined || value === null ? '' : shown(value);
  }
}

/** What stands in the fields: the values of the last call, else the presets. */
export function filled(form: Field[], last: Json | undefined): Entries {
  const values = fields(last);
  return Object.fromEntries(form.map((one) => [one.name, entryOf(one, last === undefined ? (one.preset ?? undefined) : values[one.name])]));
}

/** The arguments that the entries of the fields mean, or what is wrong with each, by its path: `/limits/cores`. */
export function read(form: Field[], entries: Entries): { values: Fields } | { wrong: Record<string, string> } {
  const wrong: Record<string, string> = {};
  const values = group(form, entries, '', wrong);
  return Object.keys(wrong).length > 0 ? { wrong } : { values };
}

function group(form: Field[], entries: Entries, path: string, wrong: Record<string, string>): Fields {
  const values: Fields = {};
  for (const one of form) {
    const value = meant(one, entries[one.name], `${path}/${one.name}`, wrong);
    if (value !== undefined) {
      values[one.name] = value;
    }
  }
  return values;
}

/** What an entry means; `undefined` where it is left out, or wrong, which is then said. */
export function meant(one: Field, entry: Entry, path: string, wrong: Record<string, string>): Json | undefined {
  const [item] = one.parts;
  if (Array.isArray(entry)) {
    return item ? entry.map((each, i) => meant(item, each, `${path}/${i}`, wrong) ?? null) : undefined;
  }
  if (typeof entry === 'object') {
    return group(one.parts, entry, path, wrong);
  }
  const text = entry ?? '';
  const may = one.kind === 'text' && (always(one) || (typeof one.preset === 'string' && one.preset !== ''));
  if (!may && (one.kind === 'text' ? text === '' : text.trim() === '')) {
    return absent(one, path, wrong);
  }
  const value = parse(one, text);
  if (value === undefined) {
    wrong[path] = tooLarge(one, text) ? `beyond ${Number.MAX_SAFE_INTEGER}, which cannot be sent exactly` : `not ${one.about.replace(/,? ?optional$/, '') || 'a JSON object'}`;
  }
  return value;
}

function absent(one: Field, path: string, wrong: Record<string, string>): Json | undefined {
  if (!one.required) {
    return one.kind === 'flag' ? false : undefined;
  }
  if (!one.nullable && one.kind !== 'flag') {
    wrong[path] = `needed: ${one.about}`;
  }
  return one.nullable ? null : false;
}

const WHOLE = /^\s*[+-]?\d+\s*$/;
const tooLarge = (one: Field, text: string): boolean => one.kind === 'integer' && WHOLE.test(text) && !Number.isSafeInteger(Number(text));

function parse(one: Field, text: string): Json | undefined {
  const value = one.kind === 'text' || one.kind === 'flag' ? undefined : json(text);
  switch (one.kind) {
    case 'text':
      return text;
    case 'flag':
      return text === 'true';
    case 'integer':
      return WHOLE.test(text) && !tooLarge(one, text) ? Number(text) : undefined;
    case 'number':
      return Number.isFinite(Number(text)) ? Number(text) : undefined;
    case 'choice':
      return one.choices.find((choice) => JSON.stringify(choice) === text);
    case 'list':
      return Array.isArray(value) ? value : undefined;
    case 'group':
      return typeof value === 'object' && value !== null && !Array.isArray(value) ? value : undefined;
    case 'json':
      return value;
  }
}

function json(text: string): Json | undefined {
  try {
    return JSON.parse(text) as Json;
  } catch {
    return undefined;
  }
}

/** Says what is wrong with arguments given as JSON, or nothing. */
export function wrongArguments(text: string): string | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? undefined : 'An object by name, or a list by position';
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
