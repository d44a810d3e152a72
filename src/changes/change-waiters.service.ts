import { type BeforeApplicationShutdown, Injectable } from '@nestjs/common';
import { AppError, unavailable } from '../common/errors';
import { leaveQueue, withOwnDeadline } from '../common/request-context';
import { ChangeLog } from './change-log.service';

/** How often the head of an organization somebody waits at is read: once for all who wait. */
const LOOK_EVERY_MS = 500;
const LOOK_LIMIT_MS = 5000;
/** How many requests of one organization may wait in a process. */
export const WAITERS_OF_ORGANIZATION = 20;
const WAITERS_OF_PROCESS = 2000;

interface Waiter {
  position: number;
  end: () => void;
}

/** Those of an organization who wait, and the timer that looks for all of them. */
interface Queue {
  waiters: Set<Waiter>;
  timer: NodeJS.Timeout;
  isLooking: boolean;
}

/** Those who wait for the next change of their organization. */
@Injectable()
export class ChangeWaiters implements BeforeApplicationShutdown {
  private readonly queues = new Map<string, Queue>();
  private count = 0;
  private isStopping = false;

  private readonly others: ((organizationId: string) => void)[] = [];

  constructor(private readonly log: ChangeLog) {}

  /** Has somebody told whenever this process has put something into a log. Other processes may, too. */
  alsoTell(other: (organizationId: string) => void): void {
    this.others.push(other);
  }

  /**
   * Returns when there is something at a position, when the time is over, when the caller has gone,
   * or at shutdown.
   * @returns false where it is no use to wait again
   * @throws AppError RATE_LIMITED and SERVICE_UNAVAILABLE where too many wait already
   */
  async wait(
    organizationId: string,
    position: number,
    milliseconds: number,
    gone: AbortSignal,
  ): Promise<boolean> {
    if (this.isStopping || gone.aborted || milliseconds <= 0) return false;
    const waiting = this.queues.get(organizationId)?.waiters.size ?? 0;
    if (waiting >= WAITERS_OF_ORGANIZATION) {
      throw new AppError('RATE_LIMITED', {
        message: 'Too many requests of this organization wait for changes already.',
        details: { retry_after: 1 },
        headers: { 'Retry-After': '1' },
      });
    }
    if (this.count >= WAITERS_OF_PROCESS) throw unavailable(5);
    leaveQueue();
    await new Promise<void>((resolve) => {
      const waiter: Waiter = {
        position,
        end: () => {
          clearTimeout(timer);
          gone.removeEventListener('abort', waiter.end);
          this.remove(organizationId, waiter);
          resolve();
        },
      };
      const timer = setTimeout(waiter.end, milliseconds);
      gone.addEventListener('abort', waiter.end);
      this.add(organizationId, waiter);
    });
    // Set by the shutdown while this was waiting, which the compiler cannot know.
    return !(this.isStopping as boolean) && !gone.aborted;
  }

  /** There is something new, it seems: look at once. */
  notify(organizationId: string): void {
    for (const tell of this.others) tell(organizationId);
    this.wake(organizationId);
  }

  private wake(organizationId: string): void {
    const queue = this.queues.get(organizationId);
    if (queue) void this.look(organizationId, queue);
  }

  beforeApplicationShutdown(): void {
    this.isStopping = true;
    for (const { waiters } of [...this.queues.values()]) for (const { end } of [...waiters]) end();
  }

  private add(organizationId: string, waiter: Waiter): void {
    this.count++;
    const found = this.queues.get(organizationId);
    if (found) {
      found.waiters.add(waiter);
      return;
    }
    const timer = setInterval(() => {
      this.wake(organizationId);
    }, LOOK_EVERY_MS);
    this.queues.set(organizationId, { waiters: new Set([waiter]), timer, isLooking: false });
  }

  private remove(organizationId: string, waiter: Waiter): void {
    const queue = this.queues.get(organizationId);
    if (!queue?.waiters.delete(waiter)) return;
    this.count--;
    if (queue.waiters.size > 0) return;
    clearInterval(queue.timer);
    this.queues.delete(organizationId);
  }

  private async look(organizationId: string, queue: Queue): Promise<void> {
    if (queue.isLooking) return;
    queue.isLooking = true;
    try {
      // The request that has set the timer may have ended long ago, and its time with it.
      const head = await withOwnDeadline(LOOK_LIMIT_MS, () => this.log.head(organizationId));
      for (const { position, end } of [...queue.waiters]) if (position < head) end();
    } catch {
      // They wait on: the database may be back before their time is over.
    } finally {
      queue.isLooking = false;
    }
  }
}
