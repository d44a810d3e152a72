import type { Client } from 'cassandra-driver';
import {
  CassandraService,
  type LwtResult,
  type Params,
  type RunOptions,
  type Statement,
} from '../../../src/cassandra/cassandra.service';
import type { Query } from '../../../src/cassandra/define-query';

/** What a process that has died would say, if it could. */
export class Crash extends Error {
  constructor() {
    super('crashed');
    this.name = 'Crash';
  }
}

/** Something that befalls one operation at one of its calls of the database. */
export interface Fault {
  /** The n-th call, from 1; or the first one of a statement of this name. */
  at: number | string;
  /** `half`: of many writes to many partitions, every second one arrives. */
  when: 'before' | 'half' | 'after';
  /** What to wait for; without it the process dies. */
  wait?: () => Promise<void>;
}

/**
 * The database as one operation sees it: it dies or waits where its faults say. Once dead it reaches
 * the database no more, whatever the code tries in order to clean up.
 */
export class FaultyCassandra extends CassandraService {
  /** The ids of the intents it has noted. */
  readonly intents = new Set<string>();
  /** The calls so far, in their order. */
  readonly seen: ('read' | 'write' | 'scatter')[] = [];
  private calls = 0;
  private dead = false;
  private readonly faults: Fault[];
  private readonly underWay = new Set<Promise<unknown>>();

  constructor(client: Client, keyspace: string, faults: readonly Fault[]) {
    super(client, keyspace);
    this.faults = [...faults];
  }

  get crashed(): boolean {
    return this.dead;
  }

  /** Until nothing of it is on its way any more. */
  async idle(): Promise<void> {
    while (this.underWay.size > 0) await Promise.allSettled(this.underWay);
  }

  override run<R>(query: Query<R>, params: Params, options?: RunOptions): Promise<R[]> {
    if (query.name === 'write_intents.insert') this.intents.add(String(params.id));
    const kind = query.cql.startsWith('SELECT') ? 'read' : 'write';
    return this.step(kind, [query.name], () => super.run(query, params, options));
  }

  override page<R>(query: Query<R>, params: Params, size: number): Promise<R[]> {
    return this.step('read', [query.name], () => super.page(query, params, size));
  }

  override batch(statements: Statement[]): Promise<void> {
    return this.step('write', namesOf(statements), () => super.batch(statements));
  }

  override scatter(
    statements: Statement[],
    partitionOf?: (statement: Statement) => string,
  ): Promise<void> {
    const half = statements.filter((_, index) => index % 2 === 0);
    return this.step(
      'scatter',
      namesOf(statements),
      () => super.scatter(statements, partitionOf),
      () => super.scatter(half, partitionOf),
    );
  }

  override lwt(statements: Statement[], isMine: () => Promise<boolean>): Promise<LwtResult> {
    return this.step('write', namesOf(statements), () => super.lwt(statements, isMine));
  }

  private step<T>(
    kind: 'read' | 'write' | 'scatter',
    names: string[],
    work: () => Promise<T>,
    half: () => Promise<unknown> = work,
  ): Promise<T> {
    this.seen.push(kind);
    const done = this.faultyStep(names, work, half);
    this.underWay.add(done);
    const forget = () => this.underWay.delete(done);
    done.then(forget, forget);
    return done;
  }

  private async faultyStep<T>(
    names: string[],
    work: () => Promise<T>,
    half: () => Promise<unknown>,
  ): Promise<T> {
    this.checkAlive();
    this.calls++;
    const fault = this.take(names);
    if (fault?.when === 'before') await this.suffer(fault);
    if (fault?.when === 'half' && !fault.wait) {
      await half();
      await this.suffer(fault);
    }
    const result = await work();
    if (fault && fault.when !== 'before') await this.suffer(fault);
    // An answer that came too late: there is nobody left to hear it.
    this.checkAlive();
    return result;
  }

  private take(names: string[]): Fault | undefined {
    const index = this.faults.findIndex(({ at }) =>
      typeof at === 'number' ? at === this.calls : names.includes(at),
    );
    return index < 0 ? undefined : this.faults.splice(index, 1)[0];
  }

  private async suffer({ wait }: Fault): Promise<void> {
    if (wait) await wait();
    else this.dead = true;
    this.checkAlive();
  }

  private checkAlive(): void {
    if (this.dead) throw new Crash();
  }
}

function namesOf(statements: readonly Statement[]): string[] {
  return statements.map(({ query }) => query.name);
}

/** A place where an operation waits until the test lets it go on. */
export class Gate {
  private arrive: () => void = () => undefined;
  private open: () => void = () => undefined;
  /** Resolves once somebody waits here. */
  readonly reached = new Promise<void>((resolve) => (this.arrive = resolve));
  private readonly opened = new Promise<void>((resolve) => (this.open = resolve));

  readonly wait = (): Promise<void> => {
    this.arrive();
    return this.opened;
  };

  release(): void {
    this.open();
  }
}
