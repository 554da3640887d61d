using Pascl.Training.Cli;

StandardOutput.NoticeReader();
return PasclCommand.Run(args);
