// Runs before everything else, on whatever Node there is: plain JavaScript on purpose.
const [major] = process.versions.node.split('.').map(Number);
if (major < 24) {
  process.stderr.write(
    `This runs on Node 24, and this is Node ${process.versions.node}.\n` +
      'The project brings its own: run "npm install" with install scripts allowed for the package\n' +
      '"node" (npm rebuild node), then start it by npm.\n',
  );
  process.exit(1);
}
