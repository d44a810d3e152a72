import { Body, Controller, Get, Param, Query } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import { Endpoint } from '../common/endpoint';
import { Page, PageQueryDto } from '../common/page';
import { Caller, type Principal } from '../common/principal';
import { Delete, Patch } from '../idempotency/write-routes';
import { ChangeMeDto, ChangeUserDto, toUserDto, UserDto, UserIdDto } from './users.dto';
import { UsersService } from './users.service';

@ApiTags('Users')
@Controller('api/v1/users')
export class UsersController {
  constructor(private readonly users: UsersService) {}

  @Get()
  @Endpoint({
    access: 'users:read',
    summary: 'List the users of the organization, oldest first',
    returns: UserDto,
    list: true,
    errors: ['INVALID_CURSOR'],
  })
  async list(@Caller() caller: Principal, @Query() query: PageQueryDto): Promise<Page<UserDto>> {
    return (await this.users.list(caller, query)).map(toUserDto);
  }

  @Get('me')
  @Endpoint({ access: 'self:read', summary: 'Read the signed-in user', returns: UserDto })
  async me(@Caller() caller: Principal): Promise<UserDto> {
    return toUserDto(await this.users.get(caller, caller.userId));
  }

  @Patch('me')
  @Endpoint({ access: 'self:update', summary: 'Change the own name', returns: UserDto })
  async changeMe(@Caller() caller: Principal, @Body() body: ChangeMeDto): Promise<UserDto> {
    return toUserDto(await this.users.change(caller, caller.userId, toChange(body)));
  }

  @Get(':id')
  @Endpoint({ access: 'users:read', summary: 'Read one user', returns: UserDto })
  async get(@Caller() caller: Principal, @Param() { id }: UserIdDto): Promise<UserDto> {
    return toUserDto(await this.users.get(caller, id));
  }

  @Patch(':id')
  @Endpoint({
    access: 'users:update',
    summary: 'Change name, role or status of a user',
    description:
      'Takes effect with the next request of that user, on other servers within a second. An organization keeps at least one active admin.',
    returns: UserDto,
    errors: ['LAST_ADMIN', 'CONFLICT'],
  })
  async change(
    @Caller() caller: Principal,
    @Param() { id }: UserIdDto,
    @Body() body: ChangeUserDto,
  ): Promise<UserDto> {
    return toUserDto(await this.users.change(caller, id, toChange(body)));
  }

  @Delete(':id')
  @Endpoint({
    access: 'users:deactivate',
    summary: 'Deactivate a user',
    description:
      'The record and its email stay; access ends with the next request, on other servers within a second. PATCH with status `active` undoes it.',
    status: 204,
    errors: ['LAST_ADMIN', 'CONFLICT'],
  })
  async deactivate(@Caller() caller: Principal, @Param() { id }: UserIdDto): Promise<void> {
    await this.users.deactivate(caller, id);
  }

  @Delete(':id/sessions')
  @Endpoint({
    access: 'users:update',
    summary: 'End every session of a user',
    description: 'The user has to sign in again on every device.',
    status: 204,
    errors: ['CONFLICT'],
  })
  async endSessions(@Caller() caller: Principal, @Param() { id }: UserIdDto): Promise<void> {
    await this.users.endSessions(caller, id);
  }
}

function toChange(body: ChangeUserDto) {
  return {
    firstName: body.first_name,
    lastName: body.last_name,
    role: body.role,
    status: body.status,
  };
}
