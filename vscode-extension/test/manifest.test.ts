import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

interface Manifest {
  contributes: {
    commands: { command: string }[];
    configuration: { properties: Record<string, { description?: string; markdownDescription?: string }> };
    walkthroughs: { steps: { description: string; media: { markdown: string }; completionEvents?: string[] }[] }[];
  };
  capabilities: { untrustedWorkspaces: { restrictedConfigurations: string[] } };
}

const manifest = JSON.parse(readFileSync('package.json', 'utf8')) as Manifest;
const source = readdirSync('src').filter((name) => name.endsWith('.ts')).map((name) => readFileSync(join('src', name), 'utf8')).join('\n');
const commands = manifest.contributes.commands.map((one) => one.command);

void test('every command that is offered is registered, and the other way round', () => {
  const registered = [...source.matchAll(/\bon(?:Machine)?\('(mvm\.[\w.]+)'/g)].map((match) => match[1]);
  assert.deepEqual([...registered].sort(), [...commands].sort());
});

void test('every setting is described, and those that start programs are restricted', () => {
  const { properties } = manifest.contributes.configuration;
  for (const [name, property] of Object.entries(properties)) {
    assert.ok(property.description ?? property.markdownDescription, name);
  }
  const restricted = manifest.capabilities.untrustedWorkspaces.restrictedConfigurations;
  assert.ok(restricted.every((name) => name in properties));
  assert.ok(Object.keys(properties).filter((name) => name.endsWith('.path')).every((name) => restricted.includes(name)));
});

void test('the walkthrough leads to commands and pages that are there', () => {
  for (const step of manifest.contributes.walkthroughs.flatMap((one) => one.steps)) {
    assert.ok(readFileSync(step.media.markdown, 'utf8').length > 0);
    const named = [...step.description.matchAll(/command:(mvm\.\w+)/g)].map((match) => match[1] ?? '');
    const events = (step.completionEvents ?? []).map((event) => event.replace('onCommand:', ''));
    assert.ok([...named, ...events].every((name) => commands.includes(name)), step.description);
  }
});

void test('nothing is measured or sent', () => {
  assert.doesNotMatch(source, /telemetry|fetch\(|https?\.request/i);
});
