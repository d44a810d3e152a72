// The driver prepares a statement on its first use; only this inner part can do it before.
declare module 'cassandra-driver/lib/prepare-handler' {
  import type { Client, policies } from 'cassandra-driver';
  const PrepareHandler: {
    getPrepared(
      client: Client,
      loadBalancing: policies.loadBalancing.LoadBalancingPolicy,
      query: string,
      keyspace: string,
    ): Promise<unknown>;
  };
  export = PrepareHandler;
}
