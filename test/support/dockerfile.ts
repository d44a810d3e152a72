import { readFileSync } from 'node:fs';
import { join } from 'node:path';

export interface Instruction {
  name: string;
  rest: string;
}

/** One FROM of a Dockerfile, with what follows. */
export interface Stage {
  from: string;
  name: string | undefined;
  instructions: Instruction[];
}

/** The stages of a Dockerfile without heredocs and ONBUILD. */
export function readDockerfile(project: string): Stage[] {
  const text = readFileSync(join(project, 'Dockerfile'), 'utf8')
    .replaceAll(/^\s*#.*\n/gm, '')
    .replaceAll(/\\\n\s*/g, ' ');
  const stages: Stage[] = [];
  for (const line of text.split('\n').filter((one) => one.trim() !== '')) {
    const [, name = '', rest = ''] = /^([A-Z]+) +(.*)$/.exec(line) ?? [];
    if (name === '') throw new Error(`Not an instruction: ${line}`);
    if (name === 'FROM') {
      const [from = '', , stage] = rest.split(/ +/);
      stages.push({ from, name: stage, instructions: [] });
    } else {
      stages.at(-1)?.instructions.push({ name, rest });
    }
  }
  return stages;
}

/** What a COPY takes, from which stage, and where it puts it. */
export function readCopy(rest: string): { from: string | undefined; what: string[]; to: string } {
  const words = rest.split(/ +/);
  const from = /^--from=(.+)$/.exec(words[0] ?? '')?.[1];
  const paths = from === undefined ? words : words.slice(1);
  return { from, what: paths.slice(0, -1), to: paths.at(-1) ?? '' };
}
