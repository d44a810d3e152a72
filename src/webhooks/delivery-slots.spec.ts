import { DeliverySlots } from './delivery-slots';

describe('Slots of deliveries', () => {
  const nothing = () => undefined;

  it('are bounded over all and of an organization', () => {
    const slots = new DeliverySlots(3, 2);
    expect(slots.tryTake({}, 'a', nothing)).toBe(true);
    expect(slots.tryTake({}, 'a', nothing)).toBe(true);
    expect(slots.tryTake({}, 'a', nothing)).toBe(false);
    expect(slots.tryTake({}, 'b', nothing)).toBe(true);
    expect(slots.tryTake({}, 'c', nothing)).toBe(false);
  });

  it('go to the organization that has the fewest, whoever asks first', () => {
    const slots = new DeliverySlots(3, 3);
    const taken: string[] = [];
    const ask = (who: object, organizationId: string) => {
      const isTaken = slots.tryTake(who, organizationId, () => {
        ask(who, organizationId);
      });
      if (isTaken) taken.push(organizationId);
    };
    for (let count = 0; count < 4; count++) ask({}, 'many');
    ask({}, 'few');
    expect(taken).toEqual(['many', 'many', 'many']);
    slots.release('many');
    expect(taken.slice(3)).toEqual(['few']);
    slots.release('many');
    expect(taken.slice(4)).toEqual(['many']);
  });

  it('go on to the next where who was waiting wants none any more', () => {
    const slots = new DeliverySlots(1, 1);
    const woken: string[] = [];
    slots.tryTake({}, 'a', nothing);
    slots.tryTake({}, 'b', () => woken.push('b'));
    slots.tryTake({}, 'c', () => woken.push('c'));
    const gone = {};
    slots.tryTake(gone, 'd', () => woken.push('d'));
    slots.forget(gone);
    slots.release('a');
    expect(woken).toEqual(['b', 'c']);
    expect(slots.tryTake({}, 'a', nothing)).toBe(true);
  });
});
