/** The form of a call, made from the function's JSON Schema. Pure: the page draws it, the tests read it. */

import type { Json } from './protocol';

type Fields = { [key: string]: Json };

/** One argument. */
export interface Field {
  name: string;
  kind: 'text' | 'integer' | 'number' | 'flag' | 'choice' | 'json';
  required: boolean;
  /** What it takes, for people. */
  about: string;
  /** What it takes, where that is one of a few. */
  choices: Json[];
  /** What stands in it at first. */
  preset: string;
  /** `null` is allowed: what an empty field means. */
  nullable: boolean;
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
  return Object.entries(fields(fields(schema)['properties'])).map(([name, one]) => field(name, fields(one), required.includes(name)));
}

const KINDS: Record<string, Field['kind']> = { string: 'text', integer: 'integer', number: 'number', boolean: 'flag' };
const WORDS: Record<Field['kind'], string> = { text: 'text', integer: 'a whole number', number: 'a number', flag: 'yes or no', choice: 'one of these', json: 'JSON' };

function field(name: string, given: Fields, required: boolean): Field {
  const members = list(given['anyOf']).map(fields);
  const others = members.filter((one) => one['type'] !== 'null');
  const nullable = others.length < members.length;
  const schema = nullable && others.length === 1 && others[0] ? others[0] : given;
  const choices = list(schema['enum']);
  const kind = choices.length > 0 ? 'choice' : (KINDS[typeof schema['type'] === 'string' ? schema['type'] : ''] ?? 'json');
  const item = fields(schema['items'])['type'];
  const more = kind === 'json' && schema['type'] === 'array' ? `a JSON list${typeof item === 'string' ? ` of ${item}s` : ''}` : kind === 'json' && schema['type'] === 'object' ? 'a JSON object' : WORDS[kind];
  const preset = given['default'];
  return { name, kind, required, about: `${more}${required ? '' : ', optional'}`, choices, preset: preset === undefined || preset === null ? '' : shown(preset), nullable };
}

/** What stands in the fields: the values of the last call, else the presets. */
export function filled(form: Field[], last: Json | undefined): Record<string, string> {
  const values = fields(last);
  return Object.fromEntries(
    form.map((one) => {
      const value = values[one.name];
      if (value === undefined || value === null) {
        return [one.name, last === undefined ? one.preset : ''];
      }
      return [one.name, one.kind === 'json' ? JSON.stringify(value) : shown(value)];
    }),
  );
}

/** The arguments that the texts of the fields mean, or what is wrong with each. */
export function read(form: Field[], texts: Record<string, string>): { values: Fields } | { wrong: Record<string, string> } {
  const values: Fields = {};
  const wrong: Record<string, string> = {};
  for (const one of form) {
    const text = texts[one.name] ?? '';
    const empty = one.kind === 'text' ? text === '' : text.trim() === '';
    if (empty && !(one.kind === 'text' && (one.required || one.preset !== ''))) {
      if (one.nullable && one.required) {
        values[one.name] = null;
      } else if (one.required && one.kind !== 'flag') {
        wrong[one.name] = `needed: ${one.about}`;
      } else if (one.kind === 'flag') {
        values[one.name] = false;
      }
      continue;
    }
    const value = parse(one, text);
    if (value === undefined) {
      wrong[one.name] = `not ${one.about.replace(', optional', '')}`;
    } else {
      values[one.name] = value;
    }
  }
  return Object.keys(wrong).length > 0 ? { wrong } : { values };
}

function parse(one: Field, text: string): Json | undefined {
  switch (one.kind) {
    case 'text':
      return text;
    case 'flag':
      return text === 'true';
    case 'integer':
      return /^\s*[+-]?\d+\s*$/.test(text) && Number.isSafeInteger(Number(text)) ? Number(text) : undefined;
    case 'number':
      return Number.isFinite(Number(text)) ? Number(text) : undefined;
    case 'choice':
      return one.choices.find((choice) => shown(choice) === text);
    case 'json':
      return json(text);
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
