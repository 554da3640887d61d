using System.CommandLine;
using Pascl.Training.Deployment;
using Pascl.Training.Networks;

namespace Pascl.Training.Cli;

/// <summary><c>--force</c>: whether a command may write over files that exist. Without it, nothing of the user's is lost to a mistyped name.</summary>
internal static class OverwriteOption
{
    public static Option<bool> AddTo(Command command)
    {
        var option = new Option<bool>("--force") { Description = "write over files that exist" };
        command.Options.Add(option);
        return option;
    }

    /// <summary>Throws where one of the files exists and may not be written over.</summary>
    /// <exception cref="InputException">It does.</exception>
    public static void Require(bool isAllowed, params IEnumerable<string> files) => Require(isAllowed, files, "--out");

    /// <summary>The same of files that another option names.</summary>
    /// <exception cref="InputException">One of them exists.</exception>
    public static void Require(bool isAllowed, IEnumerable<string> files, string option)
    {
        if (!isAllowed && files.FirstOrDefault(File.Exists) is { } taken)
        {
            throw new InputException($"{taken} exists already; choose another {option}, or write over it with --force.");
        }
    }
}

/// <summary><c>--check-convolutions</c>, which every command with a network takes, and what is said of the check.</summary>
internal static class ConvolutionOption
{
    private const string On = "on";
    private const string Off = "off";

    /// <summary>The option of every command that asks for it.</summary>
    private static readonly Option<string> option = Create();

    public static Option Option => option;

    public static Command WithConvolutionCheck(this Command command)
    {
        command.Options.Add(option);
        return command;
    }

    public static bool IsOn(ParseResult result) => result.GetRequiredValue(option) == On;

    /// <summary>Says on standard error which convolutions are wrong on this machine and what is done about it; nothing where all are right.</summary>
    public static void Warn(ConvolutionReport? report)
    {
        if (report?.Warning is { } warning)
        {
            Console.Error.WriteLine(warning);
        }
    }

    private static Option<string> Create()
    {
        var created = new Option<string>("--check-convolutions")
        {
            Description = "compare the network's convolutions with double precision on this machine before anything is computed, which takes about as long as a training step: "
                + $"{On} or {Off}",
            DefaultValueFactory = _ => On,
        };
        return created.AcceptOnlyFromAmong(On, Off);
    }
}

/// <summary><c>--engine</c>: what computes the network where images are scored.</summary>
internal static class EngineOption
{
    private static readonly Option<ScoringEngine> option = new("--engine")
    {
        Description = "what computes the network: torch, onnx (ONNX Runtime on the CPU; its scores agree to 1e-4), or auto: the one that half a second of measuring finds faster here",
        DefaultValueFactory = _ => ScoringEngine.Auto,
    };

    public static Command WithEngine(this Command command)
    {
        command.Options.Add(option);
        return command;
    }

    public static ScoringEngine Of(ParseResult result) => result.GetRequiredValue(option);
}
