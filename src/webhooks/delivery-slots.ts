interface Waiting {
  organizationId: string;
  wake: () => void;
}

/**
 * How many deliveries are under way, over all webhooks of the process. Where there is no room for
 * all, what becomes free goes to the organization that has the fewest.
 */
export class DeliverySlots {
  private readonly taken = new Map<string, number>();
  private readonly waiting = new Map<object, Waiting>();
  private total = 0;
  private isGranted = false;

  constructor(
    private readonly max: number,
    private readonly maxOfOrganization: number,
  ) {}

  /**
   * True: a delivery may begin, and `release` has to follow. False: `wake` is called when there is
   * room for `who` again.
   */
  tryTake(who: object, organizationId: string, wake: () => void): boolean {
    const isFree = this.isGranted || (this.total < this.max && !this.next());
    if (!isFree || this.countOf(organizationId) >= this.maxOfOrganization) {
      this.waiting.set(who, { organizationId, wake });
      return false;
    }
    this.isGranted = false;
    this.taken.set(organizationId, this.countOf(organizationId) + 1);
    this.total++;
    return true;
  }

  release(organizationId: string): void {
    const left = this.countOf(organizationId) - 1;
    if (left > 0) this.taken.set(organizationId, left);
    else this.taken.delete(organizationId);
    this.total--;
    while (this.total < this.max) {
      const next = this.next();
      if (!next) return;
      const [who, { wake }] = next;
      this.waiting.delete(who);
      this.isGranted = true;
      wake();
      this.isGranted = false;
    }
  }

  /** It wants nothing any more. */
  forget(who: object): void {
    this.waiting.delete(who);
  }

  private next(): [object, Waiting] | undefined {
    let best: [object, Waiting] | undefined;
    let least = this.maxOfOrganization;
    for (const one of this.waiting) {
      const count = this.countOf(one[1].organizationId);
      if (count < least) [best, least] = [one, count];
    }
    return best;
  }

  private countOf(organizationId: string): number {
    return this.taken.get(organizationId) ?? 0;
  }
}
