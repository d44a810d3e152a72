import { Module } from '@nestjs/common';
import { EmailClaimsRepository } from './email-claims.repository';
import { UserCreationService } from './user-creation.service';
import { UsersController } from './users.controller';
import { UsersRepository } from './users.repository';
import { UsersService } from './users.service';

@Module({
  controllers: [UsersController],
  providers: [UsersService, UserCreationService, UsersRepository, EmailClaimsRepository],
  exports: [UsersService],
})
export class UsersModule {}
