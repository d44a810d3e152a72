import './source-maps';
import { loadConfig } from './config/app-config';
import { sizeThreadPool } from './config/thread-pool';
import { failStart } from './start-failure';
import { leaveOutDocs } from './without-docs';

async function main(): Promise<void> {
  const config = loadConfig();
  sizeThreadPool(config.passwords.threads);
  if (!config.http.docs) leaveOutDocs();
  // Not before: what is loaded depends on the above.
  const { startServer } = await import('./server.js');
  await startServer(config);
}

main().catch(failStart);
