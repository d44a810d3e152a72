// What benchmarks of large organizations need: one that npm run seed fills.
import { spawn } from 'node:child_process';
import { PROJECT } from './server.mts';

/** How an admin of the organization signs in. */
export interface Login {
  organization_id: string;
  email: string;
  password: string;
}

/** Runs a program of the project. @returns what it writes, and its exit code */
export async function run(
  args: string[],
  variables: Record<string, string> = {},
): Promise<{ output: string; code: number | null }> {
  const child = spawn(process.execPath, args, {
    cwd: PROJECT,
    env: { ...process.env, ...variables },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => {
    output += chunk.toString();
  });
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  return { output, code };
}

export async function seed(
  contacts: string,
  variables: Record<string, string> = {},
): Promise<Login> {
  const program = ['--require', './bench/bulk-writes.cjs', 'tools/seed.mts'];
  const { output, code } = await run([...program, '--contacts', contacts], variables);
  const read = (name: string) => new RegExp(`^${name} +(\\S+)$`, 'm').exec(output)?.[1];
  const [organization_id, email, password] = ['organization_id', 'email', 'password'].map(read);
  if (code !== 0 || !organization_id || !email || !password) throw new Error('Seeding failed');
  return { organization_id, email, password };
}
