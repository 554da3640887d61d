// Pascl's command line with a method, an objective, a score, a format of images and a network of this project:
//
//     dotnet run -c Release --project samples/Extensions -- train --id stripes:300 --ood noise:gaussian --method focal --network plain --width 4 --epochs 2 --image-size 16
//     dotnet run -c Release --project samples/Extensions -- evaluate RUN --scores msp,gap
using Extensions;
using Pascl.Training.Cli;
using Pascl.Training.Data.Formats;
using Pascl.Training.Evaluation.Scores;
using Pascl.Training.Methods;
using Pascl.Training.Networks;

MethodDefinition.Register(new FocalMethod());
ScoreSpec.Register(new GapScore());
NetworkDefinition.Register(new PlainDefinition());
Dataset.Register(StripesDataset.Find);
return PasclCommand.Run(args);
