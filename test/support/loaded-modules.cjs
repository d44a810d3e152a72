// Tells at the end of a process which files of OpenTelemetry it has loaded.
process.on('exit', () => {
  const files = Object.keys(require.cache).filter((file) => file.includes('@opentelemetry'));
  process.stdout.write(`loaded: ${files.join(' ')}\n`);
});
