import { Session } from 'node:inspector/promises';

/**
 * Collects what the start has left behind and gives it back to the system, some 25 MB: by itself V8 keeps
 * its young generation as large as the start has made it. It stands still meanwhile, for some 80 ms.
 */
export async function releaseStartMemory(): Promise<void> {
  const session = new Session();
  session.connect();
  await session.post('HeapProfiler.collectGarbage');
  session.disconnect();
}
