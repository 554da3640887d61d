using Pascl.Training.Cli;

return PasclCommand.Run(args);
