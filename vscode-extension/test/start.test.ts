import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync, statSync } from 'node:fs';
import { test } from 'node:test';

/** Starts the bundled extension in an editor in which nothing is open, and says what that took and what it read. */
const START = `
const Module = require('node:module');
const nothing = () => new Proxy(function () {}, {
  get: (_, name) => (name === 'textDocuments' || name === 'visibleTextEditors' ? [] : name === 'activeTextEditor' || name === 'then' ? undefined : nothing()),
  set: () => true,
  apply: () => nothing(),
  construct: () => nothing(),
});
const editor = Object.fromEntries(['window', 'workspace', 'commands', 'languages', 'env', 'Uri', 'EventEmitter', 'ThemeColor', 'ThemeIcon', 'StatusBarAlignment', 'ViewColumn'].map((name) => [name, nothing()]));
const load = Module._load;
const read = [];
Module._load = (name, ...rest) => {
  read.push(name);
  return name === 'vscode' ? editor : load(name, ...rest);
};
const before = process.cpuUsage();
const extension = require(process.cwd() + '/dist/extension.js');
extension.activate({ subscriptions: [], extensionPath: '/nowhere', extensionUri: {}, workspaceState: {}, extension: { packageJSON: {} } });
const { user, system } = process.cpuUsage(before);
console.log(JSON.stringify({ ms: (user + system) / 1000, read }));
process.exit();
`;

void test('the extension starts within 50 ms of processor time, and reads the client of servers only when one is needed', () => {
  const { ms, read } = JSON.parse(execFileSync(process.execPath, ['-e', START], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })) as { ms: number; read: string[] };
  console.log(`started in ${ms.toFixed(1)} ms`);
  assert.ok(ms < 50, `${ms} ms`);
  assert.ok(!read.some((name) => name.includes('client')), read.join());
  assert.ok(statSync('dist/extension.js').size < 100_000 && readFileSync('dist/extension.js', 'utf8').includes('./client.js'));
});
