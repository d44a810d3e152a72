import { Module } from '@nestjs/common';
import { JwtModule } from '@nestjs/jwt';
import { LimitsModule } from '../limits/limits.module';
import { MailModule } from '../mail/mail.module';
import { OrganizationsModule } from '../organizations/organizations.module';
import { UsersModule } from '../users/users.module';
import { AccessTokens } from './access-tokens';
import { AuthController } from './auth.controller';
import { AuthService } from './auth.service';
import { LoginAddressesRepository } from './login-addresses.repository';
import { LoginGuard } from './login-guard.service';
import { PasswordResetService } from './password-reset.service';
import { PasswordResetsRepository } from './password-resets.repository';
import { PasswordService } from './password.service';
import { RolesController } from './roles.controller';
import { SessionsController } from './sessions.controller';
import { SessionsRepository } from './sessions.repository';
import { SessionsService } from './sessions.service';

@Module({
  imports: [UsersModule, OrganizationsModule, MailModule, LimitsModule, JwtModule.register({})],
  controllers: [AuthController, SessionsController, RolesController],
  providers: [
    AuthService,
    PasswordService,
    SessionsService,
    SessionsRepository,
    PasswordResetService,
    PasswordResetsRepository,
    LoginGuard,
    LoginAddressesRepository,
    AccessTokens,
  ],
  exports: [AccessTokens, SessionsService],
})
export class AuthModule {}
