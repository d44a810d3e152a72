import { Injectable } from '@nestjs/common';
import { ObjectService } from '../records/object.service';
import { RecordKit } from '../records/record-kit';
import { type ContactData, contacts } from './contact';

@Injectable()
export class ContactsService extends ObjectService<ContactData> {
  constructor(kit: RecordKit) {
    super(contacts, kit);
  }
}
