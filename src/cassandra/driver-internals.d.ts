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

// The types of the driver know this class as an interface only, but it asks for an instance.
declare module 'cassandra-driver/lib/tracker/request-tracker' {
  import type { Host } from 'cassandra-driver';
  class RequestTracker {
    onSuccess(host: Host, ...rest: unknown[]): void;
    onError(host: Host, ...rest: unknown[]): void;
    shutdown(): void;
  }
  export = RequestTracker;
}
