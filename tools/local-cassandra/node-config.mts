import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { LocalCassandraError } from './common.mts';

/** One node to run. */
export interface NodeSpec {
  /** Everything of the node is below it. */
  folder: string;
  address: string;
  nativePort: number;
  storagePort: number;
  jmxPort: number;
  /** Address of the first node, which the others join. */
  seed: string;
}

export const DATACENTER = 'datacenter1';

// What Cassandra 5.0 needs opened on Java 17; its own start script passes the same.
const EXPORTS = [
  'java.base/jdk.internal.misc',
  'java.base/java.lang.ref',
  'java.base/jdk.internal.ref',
  'java.base/jdk.internal.util',
  'java.base/sun.nio.ch',
  'java.management.rmi/com.sun.jmx.remote.internal.rmi',
  'java.rmi/sun.rmi.registry',
  'java.rmi/sun.rmi.server',
  'java.sql/java.sql',
  'jdk.unsupported/sun.misc',
];
const OPENS = [
  'java.base/java.lang.module',
  'java.base/jdk.internal.loader',
  'java.base/jdk.internal.ref',
  'java.base/jdk.internal.reflect',
  'java.base/jdk.internal.math',
  'java.base/jdk.internal.module',
  'java.base/jdk.internal.util.jar',
  'java.base/sun.nio.ch',
  'java.base/java.io',
  'java.base/java.lang',
  'java.base/java.lang.reflect',
  'java.base/java.util',
  'java.base/java.util.concurrent',
  'java.base/java.util.concurrent.atomic',
  'java.base/java.nio',
  'jdk.management/com.sun.management.internal',
];

/** For every program of Cassandra's. */
export const OPENINGS = [
  ...EXPORTS.flatMap((name) => ['--add-exports', `${name}=ALL-UNNAMED`]),
  ...OPENS.flatMap((name) => ['--add-opens', `${name}=ALL-UNNAMED`]),
];

const LOGBACK = `<configuration>
  <appender name="OUT" class="ch.qos.logback.core.ConsoleAppender">
    <encoder><pattern>%-5level %date %msg%n</pattern></encoder>
  </appender>
  <root level="INFO"><appender-ref ref="OUT" /></root>
</configuration>
`;

/** JSON is YAML: no library, and no quoting to get wrong. */
function cassandraYaml(node: NodeSpec): string {
  const data = (name: string) => join(node.folder, 'data', name);
  return JSON.stringify(
    {
      cluster_name: 'local',
      num_tokens: 8,
      allocate_tokens_for_local_replication_factor: 1,
      authenticator: 'PasswordAuthenticator',
      authorizer: 'CassandraAuthorizer',
      role_manager: 'CassandraRoleManager',
      partitioner: 'org.apache.cassandra.dht.Murmur3Partitioner',
      data_file_directories: [data('data')],
      commitlog_directory: data('commitlog'),
      hints_directory: data('hints'),
      saved_caches_directory: data('saved_caches'),
      cdc_raw_directory: data('cdc'),
      commitlog_sync: 'periodic',
      commitlog_sync_period: '10s',
      seed_provider: [
        {
          class_name: 'org.apache.cassandra.locator.SimpleSeedProvider',
          parameters: [{ seeds: `${node.seed}:${String(node.storagePort)}` }],
        },
      ],
      listen_address: node.address,
      rpc_address: node.address,
      native_transport_port: node.nativePort,
      storage_port: node.storagePort,
      endpoint_snitch: 'GossipingPropertyFileSnitch',
      auto_snapshot: false,
    },
    null,
    2,
  );
}

const heapSize = () => process.env.LOCAL_CASSANDRA_HEAP ?? '512m';

/** @throws LocalCassandraError when the heap asked for is not a size that Java understands */
export function checkHeap(): void {
  if (/^[1-9]\d*[kmg]$/i.test(heapSize())) return;
  throw new LocalCassandraError(
    `LOCAL_CASSANDRA_HEAP is "${heapSize()}", and that is no size such as 512m or 1g.`,
  );
}

/** Writes the node's configuration; returns the arguments for `java`. */
export function prepareNode(node: NodeSpec, jars: string): string[] {
  const conf = join(node.folder, 'conf');
  mkdirSync(conf, { recursive: true });
  writeFileSync(join(conf, 'cassandra.yaml'), cassandraYaml(node));
  writeFileSync(join(conf, 'cassandra-rackdc.properties'), `dc=${DATACENTER}\nrack=rack1\n`);
  writeFileSync(join(conf, 'logback.xml'), LOGBACK);
  const heap = heapSize();
  // A node that joins others must wait until they know of it; a single one need not. Twice as long
  // they may take to answer its first question, on a machine that is busy.
  const ringDelay = node.address === node.seed ? 1 : 4000;
  const properties = {
    'cassandra.config': pathToFileURL(join(conf, 'cassandra.yaml')).href,
    'cassandra.storagedir': join(node.folder, 'data'),
    'cassandra.logdir': node.folder,
    'logback.configurationFile': join(conf, 'logback.xml'),
    'cassandra-foreground': 'yes',
    'cassandra.jmx.local.port': String(node.jmxPort),
    'cassandra.skip_wait_for_gossip_to_settle': '0',
    'cassandra.ring_delay_ms': String(ringDelay),
    'cassandra.superuser_setup_delay_ms': '0',
    'jdk.attach.allowAttachSelf': 'true',
  };
  return [
    `-Xms${heap}`,
    `-Xmx${heap}`,
    '-Xss512k',
    '-XX:+UseSerialGC',
    '-XX:+ExitOnOutOfMemoryError',
    ...OPENINGS,
    ...Object.entries(properties).map(([name, value]) => `-D${name}=${value}`),
    '-cp',
    `${conf}:${jars}/*`,
    'org.apache.cassandra.service.CassandraDaemon',
  ];
}
