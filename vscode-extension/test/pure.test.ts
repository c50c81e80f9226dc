import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { test } from 'node:test';

import { Crashes, MOST, WITHIN_MS } from '../src/crashes';
import { entryFor, picture, pointerAt, print } from '../src/ir';
import { locate, type Surroundings } from '../src/locate';
import { LIMIT, bounded, plain } from '../src/output';
import type { Json, Mapped, WorkloadView } from '../src/protocol';

const at = (line: number, from: number, to: number): Mapped['range'] => ({ start: { line, character: from }, end: { line, character: to } });

void test('the printed IR is what JSON.stringify prints, in canonical order', () => {
  const value: Json = { b: [1, { 'x/y': null }], a: {}, c: [], 't~': 'https://é' };
  const sorted = { a: {}, b: [1, { 'x/y': null }], c: [], 't~': 'https://é' };
  const lines = print(value);
  assert.equal(lines.map((line) => line.text).join('\n'), JSON.stringify(sorted, null, 2));
  assert.deepEqual(lines.map((line) => line.pointer), ['', '/a', '/b', '/b/0', '/b/1', '/b/1/x~1y', '/b/1', '/b', '/c', '/t~0', '']);
});

void test('a value of a megabyte is cut', () => {
  assert.ok(print({ a: 'x'.repeat(1 << 20) }).every((line) => line.text.length < 3000));
});

void test('the innermost value at a position wins, and positions outside have none', () => {
  const map: Mapped[] = [
    { pointer: '/apps/0', range: { start: { line: 0, character: 0 }, end: { line: 9, character: 0 } } },
    { pointer: '/apps/0/env', range: at(3, 2, 40) },
    { pointer: '/apps/0/env/A', range: at(3, 10, 20) },
  ];
  assert.equal(pointerAt(map, { line: 3, character: 12 }), '/apps/0/env/A');
  assert.equal(pointerAt(map, { line: 3, character: 30 }), '/apps/0/env');
  assert.equal(pointerAt(map, { line: 5, character: 0 }), '/apps/0');
  assert.equal(pointerAt(map, { line: 20, character: 0 }), undefined);
  assert.equal(entryFor(map, '/apps/0/env/A/ref/name')?.pointer, '/apps/0/env/A');
  assert.equal(entryFor(map, '/volumes'), undefined);
});

const app: Json = {
  name: 'agent',
  source: { kind: 'local_path', path: '.', include: ['**'], exclude: ['*.log'] },
  image: { kind: 'nix_packages', packages: ['python312'] },
  resources: { cpu_cores: 2, memory_mb: 512, rootfs_size_mb: 512 },
  network: { mode: 'deny', ports: [{ guest: 80, proto: 'tcp', host_addr: '0.0.0.0' }], egress: { allowlist: [{ host: 'a.example', port: 443 }] } },
  env: { 'A/B': { kind: 'secret_ref', ref: { name: 'key', mount: { kind: 'env', var: 'A' }, allowed_hosts: ['a.example'] } }, C: { kind: 'literal', value: 'v' }, D: { kind: 'secret_ref', ref: { name: 'loose', mount: { kind: 'env', var: 'D' } } } },
  entrypoints: [{ kind: 'function', module: 'm', function: 'f', primary: true }, { kind: 'command', command: ['x', 'y'] }],
  dependencies: { kind: 'none' },
  hooks: { before_start: [{ kind: 'shell', line: 'true' }, { kind: 'argv', argv: ['a', 'b'] }] },
  mounts: [
    { source: { kind: 'tmpfs', size_mb: 64 }, target: '/cache', mode: 'rw' },
    { source: { kind: 'volume', name: 'd' }, target: '/data', mode: 'ro' },
  ],
};

void test('the picture says what a person would: from the source to what gets out', () => {
  const sourceMap: Mapped[] = [
    { pointer: '/apps/0', range: { start: { line: 2, character: 0 }, end: { line: 20, character: 0 } } },
    { pointer: '/apps/0/image/packages/0', range: at(4, 0, 10) },
    { pointer: '/apps/0/network', range: at(6, 0, 90) },
    { pointer: '/apps/0/network/egress/allowlist/0', range: at(6, 20, 40) },
    { pointer: '/apps/0/network/egress/allowlist/0/host', range: at(6, 25, 30) },
    { pointer: '/apps/0/env/C', range: at(8, 5, 9), definition: at(1, 0, 30) },
    { pointer: '/apps/0/env/C/value', range: at(8, 5, 9), definition: at(1, 0, 30) },
  ];
  const workload: WorkloadView = { id: 'w', irHash: '', complete: true, ir: { apps: [app] }, sourceMap };
  const risks = [
    { code: 'MVM205', message: 'unknown', range: at(4, 1, 9) },
    { code: 'MVM402', message: 'wildcard', range: at(6, 25, 30) },
    { code: 'MVM401', message: 'open', range: at(6, 0, 90) },
    { code: 'MVM501', message: 'credential', range: at(1, 4, 20) },
    { code: 'MVM604', message: 'excluded', range: at(12, 0, 3) },
    { code: 'MVM804', message: 'elsewhere', range: at(30, 0, 3) },
  ];
  const [one] = picture(workload, risks);
  assert.ok(one);
  const boxes = Object.fromEntries(one.boxes.map((box) => [box.title, box.parts.map((part) => `${part.label}: ${part.value}`)]));
  assert.deepEqual(boxes, {
    Source: ['directory: .', 'without: *.log', 'calls first: m.f', 'runs: x y'],
    Image: ['package: python312'],
    Machine: ['cores: 2', 'memory: 512 MiB', 'disk: 512 MiB', 'before start: true', 'before start: a b', 'mounts: /cache: memory of 64 MiB', 'mounts: /data: the volume d, read only'],
    Network: ['may reach: a.example:443', 'publishes: 80/tcp at 0.0.0.0'],
    // A value that is a credential is not drawn.
    'Environment and secrets': ['A/B (secret): key → a.example', 'C: ••••••••', 'D (secret): loose → wherever the network lets it'],
  });
  assert.equal(one.boxes[4]?.parts[0]?.pointer, '/apps/0/env/A~1B');
  // Each risk is told once, as near to what it is about as there is something drawn.
  const told = one.boxes.map((box) => [box.title, box.risks, box.parts.flatMap((part) => part.risks.map((risk) => `${part.label}: ${risk}`))]);
  assert.deepEqual(told, [
    ['Source', [], []],
    ['Image', [], ['package: MVM205: unknown']],
    ['Machine', [], []],
    ['Network', ['MVM401: open'], ['may reach: MVM402: wildcard']],
    ['Environment and secrets', [], ['C: MVM501: credential']],
  ]);
  assert.deepEqual(one.risks, ['MVM604: excluded']);
});

void test('a picture of an IR that is not whole yet does not fail', () => {
  for (const ir of [null, {}, { apps: [] }, { apps: [null] }, { apps: [{ name: 1, image: [], network: 'x' }] }] as Json[]) {
    assert.doesNotThrow(() => picture({ id: '', irHash: '', complete: false, ir, sourceMap: [] }, []));
  }
});

void test('a server that crashes in a loop is left alone, one that crashes now and then is not', () => {
  const loop = new Crashes();
  const answers = Array.from({ length: MOST }, (_, i) => loop.mayRestart(i * 1000));
  assert.deepEqual(answers, [true, true, true, true, false]);
  loop.forget();
  assert.equal(loop.mayRestart(6000), true);
  const calm = new Crashes();
  assert.ok(Array.from({ length: 50 }, (_, i) => calm.mayRestart(i * WITHIN_MS)).every(Boolean));
});

void test('what a guest prints is text and nothing else', () => {
  assert.equal(plain('a\u001b[31mred\u001b[0m\r\nb\u0007\u001b]0;t\u0007\u202e'), 'ared\nb<07><1b>]0;t<07><202e>');
  assert.equal(plain('<b>\t</b>\n'), '<b>\t</b>\n');
  assert.ok(bounded('x'.repeat(20 << 20)).length < LIMIT + 100);
});

void test('the server: by setting, on PATH, bundled; without trust only the bundled one', () => {
  const root = mkdtempSync(join(tmpdir(), 'mvm-locate-'));
  const put = (...parts: string[]): string => {
    const file = join(root, ...parts);
    mkdirSync(join(file, '..'), { recursive: true });
    writeFileSync(file, '#!/bin/sh\n');
    chmodSync(file, 0o755);
    return file;
  };
  const set = put('set', 'mine');
  const onPath = put('bin', 'mvm-lsp');
  const bundled = put('ext', 'server', 'mvm-lsp');
  const around: Surroundings = { setting: set, path: [join(root, 'none'), '.', join(root, 'bin')].join(delimiter), extension: join(root, 'ext'), trusted: true, platform: 'linux' };
  assert.deepEqual(locate('mvm-lsp', around), { path: set, from: 'setting' });
  assert.deepEqual(locate('mvm-lsp', { ...around, setting: '' }), { path: onPath, from: 'PATH' });
  assert.deepEqual(locate('mvm-lsp', { ...around, setting: '', path: '' }), { path: bundled, from: 'extension' });
  assert.deepEqual(locate('mvm-lsp', { ...around, trusted: false }), { path: bundled, from: 'extension' });
  assert.ok('problem' in locate('mvm-lsp', { ...around, setting: 'relative/mvm-lsp' }));
  assert.ok('problem' in locate('mvm-lsp', { ...around, setting: join(root, 'set') }));
  assert.ok('problem' in locate('mvm-lsp', { ...around, setting: '', path: '', extension: root }));
  assert.ok('problem' in locate('mvm-lsp', { ...around, trusted: false, extension: root }));
});
