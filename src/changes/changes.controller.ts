import { Controller, Get, Query, Res } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import type { Response } from 'express';
import { Endpoint } from '../common/endpoint';
import type { Page } from '../common/page';
import { Caller, type Principal } from '../common/principal';
import { ChangeDto, ChangesQueryDto, toChangeDto } from './changes.dto';
import { ChangesService } from './changes.service';

@ApiTags('Changes')
@Controller('api/v1/changes')
export class ChangesController {
  constructor(private readonly changes: ChangesService) {}

  @Get()
  @Endpoint({
    access: 'changes:read',
    summary: 'Follow every change of every record',
    description:
      'Every committed version of every record once, those of one record in their order, for 30 days. ' +
      'Without a cursor from the oldest that is kept. `meta.next_cursor` is always there: ask again ' +
      'with it, at any time, with any filter. A page may be short, or empty, while there is more.',
    returns: ChangeDto,
    list: true,
    errors: ['INVALID_CURSOR', 'CURSOR_EXPIRED'],
  })
  async list(
    @Caller() caller: Principal,
    @Query() query: ChangesQueryDto,
    @Res({ passthrough: true }) response: Response,
  ): Promise<Page<ChangeDto>> {
    const gone = new AbortController();
    response.once('close', () => {
      gone.abort();
    });
    const { cursor, objects, limit, wait, from } = query;
    const asked = { cursor, objects, limit, waitMs: wait * 1000, fromNow: from === 'now' };
    return (await this.changes.list(caller, asked, gone.signal)).map(toChangeDto);
  }
}
