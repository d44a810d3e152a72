import { Controller } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import { objectController } from '../records/object.controller';
import { ContactsService } from './contacts.service';
import { contacts } from './contact';

@ApiTags('Contacts')
@Controller('api/v1/contacts')
export class ContactsController extends objectController(contacts, ContactsService) {}
