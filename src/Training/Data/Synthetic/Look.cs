namespace Pascl.Training.Data.Synthetic;

/// <summary>What a synthetic object looks like, apart from its colours.</summary>
internal readonly record struct Look(Shape Shape, Texture Texture)
{
    public string Name => $"{Texture} {Shape}";
}
