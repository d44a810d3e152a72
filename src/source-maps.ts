import { setSourceMapsSupport } from 'node:module';

/**
 * Stacks tell the lines of our sources. To be imported before all else: it counts for what is loaded
 * after it. `--enable-source-maps` would also read those of all packages, and keep them: 4 MB.
 */
setSourceMapsSupport(true, { nodeModules: false, generatedCode: false });
