import { z } from 'zod';
import type { FieldFault } from '../common/errors';
import { id, text } from '../fields/kinds';
import type { RecordData } from '../records/record';
import { defineRecord } from '../records/record-definition';
import { textSortKey } from '../records/text';

export const STAGE_TYPES = ['open', 'won', 'lost'] as const;
export type StageType = (typeof STAGE_TYPES)[number];

/** A step of a sale, as it is stored. */
export interface Stage {
  id: string;
  name: string;
  /** Its place in the pipeline, from 0. */
  order: number;
  /** Percent. */
  probability: number;
  type: StageType;
}

/** A stage as a client sends it. */
export type StageInput = Pick<Stage, 'name' | 'type'> & Partial<Stage>;

export interface PipelineData extends RecordData {
  name: string;
  stages: Stage[];
}

const NAME_MAX = 100;
const STAGES_MIN = 2;
const STAGES_MAX = 30;
/** Of a stage that ends a sale it is not a matter of opinion. */
const FIXED_PROBABILITY = { won: 100, lost: 0 } as const;

const stage = z.strictObject({
  id: id()
    .optional()
    .meta({
      description:
        'Made by the server unless told. A stage that is sent with its id is that stage, whatever else ' +
        'of it is changed.',
      example: '0197c1b2-7a53-7c31-9d2e-0f6f2a6b8c13',
    }),
  name: text(NAME_MAX).meta({ description: 'Distinct in the pipeline.', example: 'Proposal' }),
  order: z
    .int()
    .min(0)
    .max(1000)
    .optional()
    .meta({
      description:
        'Stages stand in this order, then in that of the list; where it is left out, its place in the ' +
        'list counts. Answered as 0, 1, 2 and so on.',
      example: 0,
    }),
  probability: z
    .int()
    .min(0)
    .max(100)
    .optional()
    .meta({
      description:
        'How likely a deal in this stage is won, in percent. Needed for an open stage; always 100 for ' +
        'won and 0 for lost.',
      example: 60,
    }),
  type: z.enum(STAGE_TYPES).meta({
    description: 'What a deal in this stage is. There is at least one stage of each type.',
    example: 'open',
  }),
});

/** What a sale goes through, from the first talk to its end. */
export const pipelines = defineRecord<PipelineData>({
  object: 'pipelines',
  title: 'Pipeline',
  bare: true,
  schema: z.strictObject({
    name: text(NAME_MAX).meta({
      description: 'Up to 100 characters. No two pipelines have the same, whatever its case.',
      example: 'Partners',
    }),
    stages: z
      .array(stage)
      .min(STAGES_MIN)
      .max(STAGES_MAX)
      .meta({
        description: '2 to 30 stages. A list that is sent replaces the one there is.',
        example: [
          { name: 'Talk', probability: 20, type: 'open' },
          { name: 'Offer', probability: 50, type: 'open' },
          { name: 'Won', type: 'won' },
          { name: 'Lost', type: 'lost' },
        ],
      }),
  }),
  output: z.strictObject({
    is_default: z.boolean().meta({
      description:
        'Whether deals go here that name no pipeline: true for the oldest one there is. Not part of ' +
        'the version.',
      example: false,
    }),
  }),
  check: ({ stages }) => stageFaults(stages),
  nameOf: ({ name }) => name,
  uniques: ({ name, stages }) => [
    { field: 'name', value: textSortKey(name) },
    // A stage says in which pipeline it is: what happens to one must not touch another's deals.
    ...stages.flatMap((one) => (one.id ? [{ field: 'stages.id', value: one.id }] : [])),
  ],
});

/** The scope of the deals in a stage. */
export const stageScope = (stageId: string) => `stage:${stageId}`;

/** What is wrong with stages among themselves. */
export function stageFaults(stages: readonly StageInput[]): FieldFault[] {
  const faults = STAGE_TYPES.filter((type) => stages.every((one) => one.type !== type)).map(
    (type) => ({
      field: 'stages',
      rule: 'stageTypes',
      message: `stages must have at least one stage of type ${type}`,
    }),
  );
  stages.forEach((one, index) => {
    const field = `stages[${String(index)}]`;
    const before = stages.slice(0, index);
    if (before.some(({ name }) => textSortKey(name) === textSortKey(one.name))) {
      const message = `${field}.name must be distinct in the pipeline`;
      faults.push({ field: `${field}.name`, rule: 'distinct', message });
    }
    if (one.id !== undefined && before.some((other) => other.id === one.id)) {
      const message = `${field}.id must be distinct in the pipeline`;
      faults.push({ field: `${field}.id`, rule: 'distinct', message });
    }
    const wrong = probabilityFault(one);
    if (wrong !== undefined) {
      const message = `${field}.probability ${wrong}`;
      faults.push({ field: `${field}.probability`, rule: 'stageProbability', message });
    }
  });
  return faults;
}

function probabilityFault({ type, probability }: StageInput): string | undefined {
  if (type === 'open') return probability === undefined ? 'is needed for an open stage' : undefined;
  const fixed = FIXED_PROBABILITY[type];
  if (probability === undefined || probability === fixed) return undefined;
  return `must be ${String(fixed)} for a stage of type ${type}`;
}

/** The stages as they are stored: in their order, each with its id and its probability. */
export function placed(stages: readonly StageInput[], newStageId: (index: number) => string) {
  return stages
    .map((one, index) => ({ one, index, place: one.order ?? index }))
    .sort((a, b) => a.place - b.place || a.index - b.index)
    .map(({ one, index }, order): Stage => {
      const { id: given, name, type, probability = 0 } = one;
      const fixed = type === 'open' ? probability : FIXED_PROBABILITY[type];
      return { id: given ?? newStageId(index), name, order, probability: fixed, type };
    });
}
