using Pascl.Training.Data;
using Pascl.Training.Interop;
using Pascl.Training.Loss;
using Pascl.Training.Model;
using Pascl.Training.Recipes;

namespace Pascl.Training.Methods;

/// <summary>A method: what its network has, what its phases minimise, and how its outputs are read. Each one is a class, listed in <see cref="All"/>.</summary>
internal abstract class MethodDefinition(Method id)
{
    /// <summary>All methods in the order of the help text.</summary>
    public static IReadOnlyList<MethodDefinition> All { get; } =
        [new CrossEntropyMethod(), new OutlierExposureMethod(), new PasclMethod(), new EnergyOutlierExposureMethod(), new BerlMethod(), new CoclMethod(), new EatMethod()];

    /// <summary>The method's value in a recipe.</summary>
    public Method Id => id;

    /// <summary>The method's name on the command line and in <c>recipe.json</c>.</summary>
    public string Name { get; } = RecipeFile.NameOf(id);

    /// <summary>Whether the first phase sees outliers.</summary>
    public virtual bool UsesOutliers => true;

    /// <summary>The definition of a method.</summary>
    public static MethodDefinition Of(Method id) => All.Single(method => method.Id == id);

    /// <summary>The method of that name.</summary>
    /// <exception cref="InputException">There is none; the message lists them.</exception>
    public static MethodDefinition Find(string name) => All.FirstOrDefault(method => method.Name == name)
        ?? throw new InputException($"There is no method {name}; use {string.Join(", ", All.SkipLast(1).Select(method => method.Name))} or {All[^1].Name}.");

    /// <summary>The recipe with this method, and with what the method's source does otherwise than PASCL's.</summary>
    public virtual Recipe Apply(Recipe recipe) => recipe with { Method = id, Views = 2 };

    /// <summary>Throws one sentence for the first value that the method cannot use.</summary>
    /// <exception cref="InputException">A value is out of its range.</exception>
    public virtual void Validate(Recipe recipe)
    {
    }

    /// <summary>What the network has behind its features.</summary>
    public virtual NetworkHead Head(Recipe recipe, int classCount) => new(classCount);

    /// <summary>Done once before the first step of the first phase, with the weights it starts from.</summary>
    public virtual void Begin(Recipe recipe, DualBranchResNet model, TrainingData data)
    {
    }

    /// <summary>What the first phase minimises.</summary>
    /// <param name="recipe">Weights and constants.</param>
    /// <param name="trainingCounts">(C): training images of each class.</param>
    /// <param name="device">What it computes on.</param>
    /// <param name="model">The network, with what the method keeps in it.</param>
    public abstract Objective FirstObjective(Recipe recipe, int[] trainingCounts, ComputeDevice device, DualBranchResNet model);

    /// <summary>What the second phase minimises: here cross entropy of z + tau log prior.</summary>
    /// <param name="recipe">Weights and constants.</param>
    /// <param name="trainingCounts">(C): training images of each class.</param>
    /// <param name="device">What it computes on.</param>
    public virtual Objective SecondObjective(Recipe recipe, int[] trainingCounts, ComputeDevice device) =>
        new LogitObjective(device, adjustment: LogitAdjustment.Of(trainingCounts, recipe.Loss.LogitAdjustment), columns: trainingCounts.Length);
}
