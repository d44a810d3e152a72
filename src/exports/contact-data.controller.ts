import { Body, Controller, Get, Param, Res } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import type { Response } from 'express';
import { Endpoint } from '../common/endpoint';
import { Caller, type Principal } from '../common/principal';
import { Post } from '../idempotency/write-routes';
import { RecordIdDto } from '../records/record.dto';
import { ContactDataDto, EraseContactDto, ErasureProofDto } from './contact-data.dto';
import { ContactData } from './contact-data.service';

@ApiTags('Contacts')
@Controller('api/v1/contacts')
export class ContactDataController {
  constructor(private readonly data: ContactData) {}

  @Get(':id/export')
  @Endpoint({
    access: 'contacts:read',
    summary: 'Read everything that is known of a contact',
    description:
      'For a person who asks: every field, every version, the contacts merged into it, and the ' +
      'activities and deals linked to it that the caller may see. Also of a deleted contact. The ' +
      'answer has any length and is made as it is taken: a connection that breaks off before its end ' +
      'has not sent all of it. Four exports of an organization run at a time.',
    returns: ContactDataDto,
  })
  async export(
    @Caller() caller: Principal,
    @Param() { id }: RecordIdDto,
    @Res() response: Response,
  ): Promise<void> {
    await this.data.send(caller, id, response);
  }

  @Post(':id/erase')
  @Endpoint({
    access: 'contacts:delete',
    summary: 'Erase a contact, now and for good',
    description:
      'Its data, its history, the contacts merged into it and the activities that are about it alone ' +
      'are gone at once; other records refer to it no longer. It takes the right to delete all ' +
      'contacts. A request that is cut off can be sent again, and is finished anyway.',
    returns: ErasureProofDto,
    errors: ['UNPROCESSABLE', 'CONFLICT'],
  })
  erase(
    @Caller() caller: Principal,
    @Param() { id }: RecordIdDto,
    @Body() { confirm }: EraseContactDto,
  ): Promise<ErasureProofDto> {
    return this.data.erase(caller, id, confirm);
  }
}
