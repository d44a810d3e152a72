import { type SpawnOptions, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { ensureJars } from './jars.mts';
import { findJava } from './java.mts';
import { type NodeSpec, OPENINGS } from './node-config.mts';

async function start(node: NodeSpec, args: string[], stdio: SpawnOptions['stdio']) {
  const java = findJava();
  const jars = await ensureJars(java, () => undefined);
  const options = ['-Xmx128m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', ...OPENINGS];
  const conf = join(node.folder, 'conf');
  const logging = `-Dlogback.configurationFile=${join(conf, 'logback.xml')}`;
  const classes = [logging, '-cp', `${conf}:${jars}/*`];
  const tool = ['org.apache.cassandra.tools.NodeTool', '-p', String(node.jmxPort)];
  return spawn(java, [...options, ...classes, ...tool, ...args], { cwd: node.folder, stdio });
}

/** Runs nodetool against a node in the terminal. @returns its exit code */
export async function showNodetool(node: NodeSpec, args: string[]): Promise<number> {
  const child = await start(node, args, 'inherit');
  const [code] = (await once(child, 'exit')) as [number | null];
  return code ?? 1;
}

/** What nodetool says. @throws Error with it where it fails */
export async function nodetool(node: NodeSpec, ...args: string[]): Promise<string> {
  const child = await start(node, args, ['ignore', 'pipe', 'pipe']);
  const ended = once(child, 'exit') as Promise<[number | null]>;
  const streams = [child.stdout, child.stderr].map((stream) => (stream ? text(stream) : ''));
  const [[code], ...said] = await Promise.all([ended, ...streams]);
  const all = said.join('\n').trim();
  if (code !== 0) throw new Error(`nodetool ${args.join(' ')}: ${all}`);
  return all;
}
