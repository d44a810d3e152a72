import type { Response } from 'supertest';
import type { Account } from './api';
import { Crm } from './records';

export interface StageBody {
  id: string;
  name: string;
  order: number;
  probability: number;
  type: 'open' | 'won' | 'lost';
}
export interface PipelineBody {
  id: string;
  version: number;
  name: string;
  stages: StageBody[];
  is_default: boolean;
}
export interface DealBody {
  id: string;
  version: number;
  name: string;
  owner_id: string | null;
  pipeline_id: string;
  stage_id: string;
  amount: number | null;
  currency: string | null;
  close_date: string | null;
  probability: number | null;
  company_id: string | null;
  contact_ids: string[];
  lost_reason: string | null;
  status: string;
  stage_entered_at: string;
  closed_at: string | null;
  stage_history: {
    stage_id: string;
    entered_at: string;
    left_at: string | null;
    seconds: number | null;
  }[];
}

const dataOf = ({ body }: Response) => (body as { data: unknown }).data;
export const dealOf = (response: Response) => dataOf(response) as DealBody;
export const pipelineOf = (response: Response) => dataOf(response) as PipelineBody;

/** One who sells: his requests, and what they answer where they must not fail. */
export class Seller {
  private readonly crm: Crm;

  constructor(
    server: { url: string },
    readonly account: Account,
  ) {
    this.crm = new Crm(server.url, account);
  }

  get(path: string): Promise<Response> {
    return this.crm.get(path);
  }

  post(path: string, body: object): Promise<Response> {
    return this.crm.send('post', path, body);
  }

  patch(path: string, body: object): Promise<Response> {
    return this.crm.send('patch', path, body);
  }

  delete(path: string): Promise<Response> {
    return this.crm.send('delete', path);
  }

  async read<T>(path: string): Promise<T> {
    return done(await this.get(path), 200) as T;
  }

  async create<T>(path: string, body: object): Promise<T> {
    return done(await this.post(path, body), 201) as T;
  }

  async change<T>(path: string, body: object): Promise<T> {
    return done(await this.patch(path, body), 200) as T;
  }

  /** The first pipeline, and the ids of its stages by their names. */
  async pipeline(): Promise<{ pipeline: PipelineBody; stage: (name: string) => string }> {
    const [pipeline] = await this.read<PipelineBody[]>('pipelines');
    if (!pipeline) throw new Error('There is no pipeline');
    const stage = (name: string) =>
      pipeline.stages.find((one) => one.name === name)?.id ?? `no stage ${name}`;
    return { pipeline, stage };
  }
}

function done(response: Response, status: number): unknown {
  if (response.status !== status) throw new Error(`answered ${response.text}`);
  return dataOf(response);
}
