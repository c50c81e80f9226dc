import assert from 'node:assert/strict';
import { test } from 'node:test';

import { fieldsOf, filled, read, wrongArguments } from '../src/form';
import { LIMIT } from '../src/output';
import type { Json } from '../src/protocol';
import { declarations, outcomeBody, shownResult } from '../src/results';

const schema: Json = {
  type: 'object',
  required: ['prompt', 'n', 'maybe', 'mode'],
  properties: {
    prompt: { type: 'string' },
    n: { type: 'integer' },
    ratio: { type: 'number', default: 0.5 },
    loud: { type: 'boolean', default: true },
    tags: { type: 'array', items: { type: 'string' } },
    maybe: { anyOf: [{ type: 'integer' }, { type: 'null' }] },
    mode: { enum: ['fast', 3, null] },
    separator: { type: 'string', default: '-' },
    either: { anyOf: [{ type: 'string' }, { type: 'integer' }] },
  },
};
const form = fieldsOf(schema) ?? [];

void test('a form has a field for each argument, of its kind', () => {
  assert.deepEqual(form.map((one) => [one.name, one.kind, one.about]), [
    ['prompt', 'text', 'text'],
    ['n', 'integer', 'a whole number'],
    ['ratio', 'number', 'a number, optional'],
    ['loud', 'flag', 'yes or no, optional'],
    ['tags', 'json', 'a JSON list of strings, optional'],
    ['maybe', 'integer', 'a whole number'],
    ['mode', 'choice', 'one of these'],
    ['separator', 'text', 'text, optional'],
    ['either', 'json', 'JSON, optional'],
  ]);
  assert.equal(fieldsOf(undefined), undefined);
  assert.deepEqual(fieldsOf({ type: 'object', properties: {} }), []);
});

void test('presets stand in the fields at first, then what was given last', () => {
  assert.deepEqual(filled(form, undefined), { prompt: '', n: '', ratio: '0.5', loud: 'true', tags: '', maybe: '', mode: '', separator: '-', either: '' });
  const last = filled(form, { prompt: 'a\nb', n: 3, tags: ['x'], mode: 3, separator: '', either: 'word' });
  assert.deepEqual([last['prompt'], last['n'], last['tags'], last['mode'], last['separator'], last['either']], ['a\nb', '3', '["x"]', '3', '', '"word"']);
});

void test('the texts of a form become arguments of the right types', () => {
  const texts = { prompt: '', n: ' 7 ', ratio: '1e2', loud: 'false', tags: '["a"]', maybe: '', mode: '3', separator: '', either: '' };
  assert.deepEqual(read(form, texts), { values: { prompt: '', n: 7, ratio: 100, loud: false, tags: ['a'], maybe: null, mode: 3, separator: '' } });
  assert.deepEqual(read(form, { ...texts, n: '7.5', tags: '[', ratio: 'x', mode: 'no' }), {
    wrong: { n: 'not a whole number', ratio: 'not a number', tags: 'not a JSON list of strings', mode: 'not one of these' },
  });
  assert.deepEqual(read(form, { ...texts, n: '' }), { wrong: { n: 'needed: a whole number' } });
  assert.deepEqual(read(form, { ...texts, n: '9007199254740993' }), { wrong: { n: 'not a whole number' } });
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
