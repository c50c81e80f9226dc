import assert from 'node:assert/strict';
import { test } from 'node:test';

import { fieldsOf, filled, read, wrongArguments } from '../src/form';
import { LIMIT } from '../src/output';
import type { Json } from '../src/protocol';
import { declarations, outcomeBody, shownResult } from '../src/results';

const point: Json = { type: 'object', additionalProperties: false, required: ['x', 'y'], properties: { x: { type: 'integer' }, y: { type: 'integer' } } };
const limits: Json = {
  type: 'object',
  additionalProperties: false,
  required: ['cores', 'points'],
  properties: { cores: { type: 'integer' }, note: { type: 'string' }, points: { type: 'array', items: point } },
};

/** Names in order, as in canonical JSON. */
const sorted = (given: { [name: string]: Json }): Json => Object.fromEntries(Object.entries(given).sort(([a], [b]) => (a < b ? -1 : 1)));

const schema: Json = {
  type: 'object',
  required: ['prompt', 'n', 'maybe', 'mode'],
  properties: sorted({
    prompt: { type: 'string' },
    n: { type: 'integer' },
    ratio: { type: 'number', default: 0.5 },
    loud: { type: 'boolean', default: true },
    tags: { type: 'array', items: { type: 'string' }, default: null },
    maybe: { anyOf: [{ type: 'integer' }, { type: 'null' }] },
    mode: { enum: ['fast', 3, null] },
    separator: { type: 'string', default: '-' },
    either: { anyOf: [{ type: 'string' }, { type: 'integer' }] },
    sure: { anyOf: [{ type: 'boolean' }, { type: 'null' }], default: null },
    limits: { anyOf: [limits, { type: 'null' }], default: null },
    loose: { type: 'object', additionalProperties: { type: 'integer' }, default: null },
  }),
};
const form = fieldsOf(schema) ?? [];

void test('a form has a field for each argument, of its kind; what is needed stands in front, as it is written', () => {
  assert.deepEqual(form.map((one) => [one.name, one.kind, one.about]), [
    ['prompt', 'text', 'text'],
    ['n', 'integer', 'a whole number'],
    ['maybe', 'integer', 'a whole number'],
    ['mode', 'choice', 'one of these'],
    ['either', 'json', 'JSON; text in quotes, optional'],
    ['limits', 'group', 'optional'],
    ['loose', 'json', 'a JSON object, optional'],
    ['loud', 'flag', 'yes or no, optional'],
    ['ratio', 'number', 'a number, optional'],
    ['separator', 'text', 'text, optional'],
    ['sure', 'choice', 'yes or no, optional'],
    ['tags', 'list', 'a list, optional'],
  ]);
  const limits = form.find((one) => one.name === 'limits');
  assert.deepEqual(limits?.parts.map((one) => [one.name, one.kind, one.required]), [['cores', 'integer', true], ['points', 'list', true], ['note', 'text', false]]);
  assert.deepEqual(limits.parts[1]?.parts[0]?.parts.map((one) => one.name), ['x', 'y']);
  assert.equal(fieldsOf(undefined), undefined);
  assert.deepEqual(fieldsOf({ type: 'object', properties: {} }), []);
});

const begun = { prompt: '', n: '', maybe: '', mode: '', either: '', limits: undefined, loose: '', loud: 'true', ratio: '0.5', separator: '-', sure: '', tags: undefined };

void test('presets stand in the fields at first, then what was given last', () => {
  assert.deepEqual(filled(form, undefined), begun);
  const values: Json = { prompt: 'a\nb', n: 3, tags: ['x'], mode: 3, separator: '', either: 'word', sure: false, limits: { cores: 2, points: [{ x: 1, y: 2 }] } };
  const last = filled(form, values);
  assert.deepEqual([last['prompt'], last['n'], last['tags'], last['mode'], last['separator'], last['either'], last['sure']], ['a\nb', '3', ['x'], '3', '', '"word"', 'false']);
  assert.deepEqual(last['limits'], { cores: '2', points: [{ x: '1', y: '2' }], note: '' });
  // What was given last is what is given again.
  assert.deepEqual(read(form, last), { values: { ...values, maybe: null, loud: false } });
  const long = filled(form, { tags: Array.from({ length: 1000 }, String) });
  assert.equal(typeof long['tags'], 'string');
  // The function has changed since.
  assert.deepEqual(filled(form, { tags: 'x', limits: [1], n: 'seven', loud: 'yes' }), { ...begun, n: 'seven', loud: 'false', ratio: '', separator: '' });
});

void test('the entries of a form become arguments of the right types', () => {
  const texts = { ...begun, n: ' 7 ', ratio: '1e2', loud: 'false', tags: ['a', ''], mode: '3', separator: '' };
  assert.deepEqual(read(form, texts), { values: { prompt: '', n: 7, ratio: 100, loud: false, tags: ['a', ''], maybe: null, mode: 3, separator: '' } });
  assert.deepEqual(read(form, { ...texts, n: '7.5', tags: '[', ratio: 'x', mode: 'no' }), {
    wrong: { '/n': 'not a whole number', '/ratio': 'not a number', '/tags': 'not a list', '/mode': 'not one of these' },
  });
  assert.deepEqual(read(form, { ...texts, n: '' }), { wrong: { '/n': 'needed: a whole number' } });
  assert.deepEqual(read(form, { ...texts, n: '9007199254740993' }), { wrong: { '/n': 'beyond 9007199254740991, which cannot be sent exactly' } });
});

void test('parts of groups and items of lists are read and refused where they stand', () => {
  const limits = { cores: '2', points: [{ x: '1', y: '' }, { x: 'a', y: '2' }], note: '' };
  assert.deepEqual(read(form, { ...begun, n: '1', mode: 'null', limits }), {
    wrong: { '/limits/points/0/y': 'needed: a whole number', '/limits/points/1/x': 'not a whole number' },
  });
  const right = read(form, { ...begun, n: '1', mode: 'null', sure: 'true', limits: '{"cores": 1}', tags: [] });
  assert.deepEqual(right, { values: { prompt: '', n: 1, maybe: null, mode: null, limits: { cores: 1 }, loud: true, ratio: 0.5, separator: '-', sure: true, tags: [] } });
  assert.deepEqual(read(form, { ...begun, n: '1', mode: 'null', limits: '[]' }), { wrong: { '/limits': 'not a JSON object' } });
});

void test('arguments as JSON are an object or a list', () => {
  assert.equal(wrongArguments('{"a": 1}'), undefined);
  assert.equal(wrongArguments('[1]'), undefined);
  assert.ok(wrongArguments('7'));
  assert.ok(wrongArguments('{'));
});

void test('what can be called: functions only, the primary one first, with what each was given last', () => {
  const ir: Json = {
    apps: [{ name: 'a', entrypoints: [{ kind: 'command', command: ['x'] }, { kind: 'function', function: 'f', primary: false }, { kind: 'function', function: 'g', primary: true, args_schema: schema }] }],
  };
  const [one] = declarations({ id: 'w', complete: true, ir }, (_name, fun) => (fun === 'f' ? { x: 1 } : undefined));
  assert.deepEqual(one, { name: 'a', workload: 'w', complete: true, functions: [{ name: 'g', schema }, { name: 'f', last: { x: 1 } }] });
  assert.deepEqual(declarations({ id: 'w', complete: false, ir: null }, () => undefined), []);
});

const result = (outcome: Json): ReturnType<typeof shownResult> => shownResult({ job: 1, kind: 'run', name: 'a', success: false, summary: 'a \u001b[31mfailed', details: { outcome } });

void test('results: a value, a traceback, what is not JSON, and 20 MB of it', () => {
  assert.equal(result({ outcome: 'returned', value: { a: [1] } }).body, '{\n  "a": [\n    1\n  ]\n}');
  assert.equal(result({ outcome: 'returned', value: 'two\nlines' }).body, 'two\nlines');
  assert.equal(result({ outcome: 'returned', value: null }).body, 'null');
  assert.equal(result({ outcome: 'raised', exception: 'E', message: 'm', traceback: 'Traceback…' }).body, 'Traceback…');
  assert.equal(result({ outcome: 'not_serializable', message: 'object of type set' }).body, 'object of type set');
  assert.equal(result({ outcome: 'raised', message: '', traceback: '\u001b]0;title\u0007<b>' }).body, '<1b>]0;title<07><b>');
  assert.equal(result({ outcome: 'timed_out' }).summary, 'a failed');
  const large = result({ outcome: 'returned', value: 'x'.repeat(20 << 20) }).body;
  assert.ok(large.length < LIMIT + 100 && large.endsWith('more characters are not shown'));
  assert.equal(outcomeBody(undefined), undefined);
});
