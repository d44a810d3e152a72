import { placed, stageFaults, type StageInput } from './pipeline';

const open: StageInput = { name: 'Talk', type: 'open', probability: 20 };
const won: StageInput = { name: 'Won', type: 'won' };
const lost: StageInput = { name: 'Lost', type: 'lost' };
const fields = (stages: StageInput[]) => stageFaults(stages).map(({ field }) => field);

describe('The stages of a pipeline', () => {
  it('have at least one of each type', () => {
    expect(stageFaults([open, won, lost])).toEqual([]);
    expect(fields([won, lost])).toEqual(['stages']);
    expect(fields([open, lost])).toEqual(['stages']);
    expect(fields([open, won])).toEqual(['stages']);
  });

  it('have names that differ in more than case', () => {
    expect(fields([open, { ...open, name: ' tÁlk' }, won, lost])).toEqual(['stages[1].name']);
  });

  it('have ids that differ', () => {
    const id = '0197c1b2-7a53-7c31-9d2e-0f6f2a6b8c13';
    expect(fields([{ ...open, id }, { ...won, id }, lost])).toEqual(['stages[1].id']);
  });

  it.each<[StageInput, boolean]>([
    [{ ...open, probability: undefined }, false],
    [{ ...open, probability: 0 }, true],
    [{ ...won, probability: 100 }, true],
    [{ ...won, probability: 99 }, false],
    [{ ...lost, probability: 0 }, true],
    [{ ...lost, probability: 1 }, false],
  ])('have a probability that fits their type: %j', (stage, valid) => {
    const others = [open, won, lost].filter(({ type }) => type !== stage.type);
    expect(fields([stage, ...others])).toEqual(valid ? [] : ['stages[0].probability']);
  });

  it('are numbered by their order, then by their place in the list', () => {
    const stages = placed(
      [{ ...lost, order: 9 }, won, { ...open, order: 0 }, { ...open, name: 'Offer', order: 1 }],
      (index) => `new ${String(index)}`,
    );
    expect(stages.map(({ name, order, id }) => [name, order, id])).toEqual([
      ['Talk', 0, 'new 2'],
      ['Won', 1, 'new 1'],
      ['Offer', 2, 'new 3'],
      ['Lost', 3, 'new 0'],
    ]);
    expect(stages.map(({ probability }) => probability)).toEqual([20, 100, 20, 0]);
  });

  it('stay the same when they are placed again', () => {
    const stages = placed([open, won, lost], (index) => String(index));
    expect(placed(stages, () => 'another')).toEqual(stages);
  });
});
