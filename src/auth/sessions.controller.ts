import { Controller, Get, Param } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import { Endpoint } from '../common/endpoint';
import { Caller, type Principal } from '../common/principal';
import { Delete } from '../idempotency/write-routes';
import { SessionDto, SessionIdDto, toSessionDto } from './auth.dto';
import { SessionsService } from './sessions.service';

@ApiTags('Sign-in')
@Controller('api/auth/sessions')
export class SessionsController {
  constructor(private readonly sessions: SessionsService) {}

  @Get()
  @Endpoint({
    access: 'self:read',
    summary: 'List the own sessions, newest first',
    description: 'At most the newest 100.',
    returns: SessionDto,
    many: true,
  })
  async list(@Caller() caller: Principal): Promise<SessionDto[]> {
    return (await this.sessions.list(caller)).map((session) => toSessionDto(session, caller));
  }

  @Delete(':id')
  @Endpoint({ access: 'self:update', summary: 'End one of the own sessions', status: 204 })
  async end(@Caller() caller: Principal, @Param() { id }: SessionIdDto): Promise<void> {
    await this.sessions.end(caller, id);
  }
}
