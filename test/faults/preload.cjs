// Loaded into a server under test (node --require), which knows nothing of it. It lets the fault suite
// kill the server in the middle of a write, puts proxies before the database, and, for the negative
// controls, takes protections away.
const driver = require('cassandra-driver');

const {
  FAULTS_PROXIES,
  FAULTS_CONSISTENCY,
  FAULTS_ONLY,
  FAULTS_WINDOW_MS,
  FAULTS_UNFENCED,
  FAULTS_STALL,
} = process.env;

const { AllowListPolicy, DefaultLoadBalancingPolicy } = driver.policies.loadBalancing;

function altered(options) {
  const policies = { ...options.policies };
  let { contactPoints } = options;
  if (FAULTS_PROXIES) {
    const doors = JSON.parse(FAULTS_PROXIES);
    class Doors extends driver.policies.addressResolution.AddressTranslator {
      translate(address, port, callback) {
        callback(doors[address] ?? `${address}:${port}`);
      }
    }
    policies.addressResolution = new Doors();
    contactPoints = contactPoints.map((address) => doors[address] ?? address);
  }
  if (FAULTS_ONLY) {
    policies.loadBalancing = new AllowListPolicy(
      new DefaultLoadBalancingPolicy(options.localDataCenter),
      [`${FAULTS_ONLY}:${options.protocolOptions.port}`],
    );
    contactPoints = [FAULTS_ONLY];
  }
  if (FAULTS_CONSISTENCY) {
    for (const profile of options.profiles) {
      if (profile.name !== 'ddl')
        profile.consistency = driver.types.consistencies[FAULTS_CONSISTENCY];
    }
  }
  return { ...options, contactPoints, policies };
}

driver.Client = class extends driver.Client {
  constructor(options) {
    super(altered(options));
  }
};

if (FAULTS_WINDOW_MS) {
  require('../../dist/records/store/write-intents.repository').WINDOW_MS = Number(FAULTS_WINDOW_MS);
}

if (FAULTS_UNFENCED) {
  const { UsersRepository } = require('../../dist/users/users.repository');
  const { RecordsRepository } = require('../../dist/records/store/records.repository');
  for (const { prototype } of [UsersRepository, RecordsRepository]) {
    prototype.fence = () => Promise.resolve(true);
  }
}

const { CassandraService } = require('../../dist/cassandra/cassandra.service');

// The first write of a statement waits so long: FAULTS_STALL=users.insert:6000
const [stalled, stallMs] = (FAULTS_STALL ?? '').split(':');
let isStalled = false;

let crashAt;
process.on('message', (message) => {
  crashAt = message;
});
// Its suite was killed: nobody else would end it.
process.on('disconnect', () => process.exit(1));
process.channel?.unref();

for (const method of ['lwt', 'scatter']) {
  const original = CassandraService.prototype[method];
  CassandraService.prototype[method] = async function (statements, ...others) {
    const isHere = (name) => statements.some(({ query }) => query.name === name);
    if (!isStalled && stalled !== '' && isHere(stalled)) {
      isStalled = true;
      await new Promise((resolve) => setTimeout(resolve, Number(stallMs)));
    }
    const [when, name] = (crashAt ?? '').split(':');
    if (when === 'before' && isHere(name)) process.kill(process.pid, 'SIGKILL');
    const result = await original.call(this, statements, ...others);
    if (when === 'after' && isHere(name)) process.kill(process.pid, 'SIGKILL');
    return result;
  };
}
