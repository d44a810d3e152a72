// Loaded into the server by node --require: writes the delay of its event loop, in milliseconds,
// to the file EVENT_LOOP_REPORT once a second, and starts a new count at every SIGUSR2.
const { writeFileSync } = require('node:fs');
const { monitorEventLoopDelay } = require('node:perf_hooks');

const RESOLUTION_MS = 5;
const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
delay.enable();
process.on('SIGUSR2', () => delay.reset());

// The histogram counts the time between two ticks of its timer: its resolution is not delay.
const ms = (nanoseconds) => Math.max(0, nanoseconds / 1e6 - RESOLUTION_MS);
setInterval(() => {
  const report = {
    p50: ms(delay.percentile(50)),
    p99: ms(delay.percentile(99)),
    max: ms(delay.max),
  };
  writeFileSync(process.env.EVENT_LOOP_REPORT, JSON.stringify(report));
}, 1000).unref();
