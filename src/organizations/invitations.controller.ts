import { Body, Controller, Get, Param } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import { Endpoint } from '../common/endpoint';
import { Caller, type Principal } from '../common/principal';
import { Delete, Post } from '../idempotency/write-routes';
import { InvitationDto, InvitationIdDto, InviteDto, toInvitationDto } from './invitations.dto';
import { InvitationsService } from './invitations.service';

@ApiTags('Invitations')
@Controller('api/v1/invitations')
export class InvitationsController {
  constructor(private readonly invitations: InvitationsService) {}

  @Get()
  @Endpoint({
    access: 'users:create',
    summary: 'List the invitations of the last three days',
    returns: InvitationDto,
    many: true,
  })
  async list(@Caller() caller: Principal): Promise<InvitationDto[]> {
    return (await this.invitations.list(caller)).map(toInvitationDto);
  }

  @Post()
  @Endpoint({
    access: 'users:create',
    summary: 'Invite somebody by mail',
    description:
      'The mail has a link to the front end (APP_URL) with a token, which register takes as ' +
      '`invitation_token`: once, within three days, and for this email only. At most 100 may be pending.',
    status: 201,
    returns: InvitationDto,
    errors: ['EMAIL_TAKEN', 'CONFLICT'],
  })
  async create(@Caller() caller: Principal, @Body() body: InviteDto): Promise<InvitationDto> {
    return toInvitationDto(
      await this.invitations.create(caller, body.email, body.role ?? 'member'),
    );
  }

  @Delete(':id')
  @Endpoint({
    access: 'users:create',
    summary: 'Cancel a pending invitation',
    status: 204,
    errors: ['CONFLICT'],
  })
  async cancel(@Caller() caller: Principal, @Param() { id }: InvitationIdDto): Promise<void> {
    await this.invitations.cancel(caller, id);
  }
}
